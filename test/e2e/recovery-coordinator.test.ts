/** Agents that fail, and the supervisors that start them again, on a real server and a real table. Both are NATS clients. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 15_000, interval: 20 };

type Order = {
  agent_ids: [string];
  recovery_id: string;
  attempt: number;
  last_known: Record<string, { tasks: unknown[]; snapshot?: unknown }>;
};
type Told = { event_type: string; recovery_id?: string; affected_agents?: string[] };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack({
    RECOVERY_TIMEOUT_MS: '4000',
    RECOVERY_ATTEMPT_MS: '1500',
    RECOVERY_BACKOFF_MS: '50',
    TASK_ACCEPT_MS: '60000',
  });
});
afterAll(() => stack.stop());

const ask = async (subject: string, body: unknown = {}) =>
  (await stack.nc.request(subject, JSON.stringify(body), { timeout: 5000 })).json<Record<string, unknown>>();

const profiles = new Map<string, object>();

/** An agent begins its life, or another one. */
const come = async (agent_id: string) => {
  await stack.publish(`agent.${agent_id}.started`, { agent_id, ...profiles.get(agent_id) });
  await stack.publish(`agent.${agent_id}.ready`, { agent_id });
};

const register = async (agent_id: string, fields: object = {}) => {
  profiles.set(agent_id, fields);
  await stack.publish(`agent.${agent_id}.created`, { agent_id, ...fields });
  await come(agent_id);
  await expect.poll(() => ask('agents.discovery.resolve', { agent_id }), WITHIN).toMatchObject({ agent: { state: 'active' } });
};

const crash = (agent_id: string) =>
  stack.publish('supervision.failures.high', { event_id: `${agent_id}-crash`, agent_id, failure_type: 'process_crash', severity: 'high' });

/** A supervisor's process: it starts what it is ordered to, as it can. */
const aSupervisor = (id: string, start: (order: Order) => 'ready' | 'fails' | 'silence' = () => 'ready') => {
  const orders: Order[] = [];
  const obey = async (order: Order): Promise<void> => {
    orders.push(order);
    const [agent_id] = order.agent_ids;
    const result = start(order);
    if (result === 'ready') await come(agent_id);
    const { recovery_id, attempt } = order;
    const failed = { supervisor_id: id, event_type: 'restart_failed', affected_agents: [agent_id], recovery_id, attempt };
    if (result === 'fails') await stack.publish(`supervisor.${id}.events`, failed);
  };
  stack.nc.subscribe(`supervisor.${id}.cmd.restart`, { callback: (_, message) => void obey(message.json<Order>()) });
  return orders;
};

/** Agents that stop when they are asked to. `order` is who did, in order. */
const obedient = (agents: readonly string[]) => {
  const order: string[] = [];
  for (const agent_id of agents)
    stack.nc.subscribe(`agent.${agent_id}.cmd.shutdown`, {
      callback: () => {
        order.push(agent_id);
        void stack.publish(`agent.${agent_id}.stopped`, { agent_id, reason: 'asked' });
      },
    });
  return order;
};

const eventsOf = async (supervisorId: string) => {
  const seen = await collect(stack.nc, `supervisor.${supervisorId}.events`);
  return () => seen.map(({ body }) => body as Told).filter(({ event_type }) => event_type !== 'restart_failed');
};

test('an agent that crashes is started again by its supervisor, with what it had, and its tasks go back once', async () => {
  await register('c1', { supervisor: 'cs', capabilities: ['crashing'] });
  await stack.publish('coordination.tasks.assignment', { task_id: 'c-task', requirements: { capabilities: ['crashing'] } });
  await expect.poll(() => ask('control.tasks.show', { task_id: 'c-task' }), WITHIN).toMatchObject({ phase: 'active', agent_id: 'c1' });
  await stack.publish('agent.c1.snapshot', { snapshot: { page: 7 } });
  // What the registry heard after the snapshot tells that it has it.
  await stack.publish('agent.c1.ready', { agent_id: 'c1', current_load: 0.5 });
  await expect.poll(() => ask('agents.discovery.resolve', { agent_id: 'c1' }), WITHIN).toMatchObject({ agent: { current_load: 0.5 } });
  const orders = aSupervisor('cs');
  const events = await eventsOf('cs');
  await crash('c1');
  await expect.poll(() => events().map(({ event_type }) => event_type), WITHIN).toEqual(['recovering', 'recovered']);
  expect(orders).toMatchObject([{ agent_ids: ['c1'], attempt: 1, last_known: { c1: { snapshot: { page: 7 } } } }]);
  await expect.poll(() => ask('control.tasks.show', { task_id: 'c-task' }), WITHIN).toMatchObject({ phase: 'active', attempts: 2 });
});

test('a restart that fails is tried again until the agent is ready', async () => {
  await register('f1', { supervisor: 'fs' });
  const orders = aSupervisor('fs', ({ attempt }) => (attempt === 1 ? 'fails' : attempt === 2 ? 'silence' : 'ready'));
  const events = await eventsOf('fs');
  await crash('f1');
  await expect.poll(() => events().map(({ event_type }) => event_type), WITHIN).toEqual(['recovering', 'recovered']);
  expect(orders.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  expect(new Set(orders.map(({ recovery_id }) => recovery_id)).size).toBe(1);
});

test('what nobody answers is given up and escalated in its time', async () => {
  await register('n1', { supervisor: 'nobody' });
  const events = await eventsOf('nobody');
  const escalations = await collect(stack.nc, 'supervision.escalation.1');
  await stack.publish('supervision.recovery.n1', { recovery_action: 'restart' });
  await expect.poll(() => ask('control.recovery.list'), WITHIN).toMatchObject({ recoveries: [{ affected_agents: ['n1'] }] });
  await expect.poll(() => escalations.map(({ body }) => body), WITHIN).toMatchObject([{ agent_id: 'n1', supervisor_id: 'nobody' }]);
  expect(events().filter(({ event_type }) => event_type !== 'escalation')).toMatchObject([
    { event_type: 'recovering' },
    { event_type: 'gave_up', affected_agents: ['n1'] },
  ]);
  await expect.poll(() => ask('control.recovery.list'), WITHIN).toEqual({ recoveries: [] });
});

test('rest_for_one stops the later ones in reverse, starts all in order, and their tasks go back', async () => {
  const agents = ['o1', 'o2', 'o3'];
  for (const agent of agents) await register(agent, { capabilities: [`only-${agent}`] });
  await ask('control.supervisor.define', { supervisor_id: 'os', strategy: 'rest_for_one', children: agents });
  await stack.publish('coordination.tasks.assignment', { task_id: 'o-task', requirements: { capabilities: ['only-o3'] } });
  await expect.poll(() => ask('control.tasks.show', { task_id: 'o-task' }), WITHIN).toMatchObject({ phase: 'active', agent_id: 'o3' });
  const stopped = obedient(agents);
  const orders = aSupervisor('os');
  const events = await eventsOf('os');
  await crash('o1');
  await expect.poll(() => events().at(-1), WITHIN).toMatchObject({ event_type: 'recovered', affected_agents: agents });
  expect([stopped, orders.map(({ agent_ids: [agent] }) => agent)]).toEqual([['o3', 'o2'], agents]);
  await expect.poll(() => ask('control.tasks.show', { task_id: 'o-task' }), WITHIN).toMatchObject({ phase: 'active', attempts: 2 });
});

test('a recovery that gives up leaves nobody down but the agent that does not start', async () => {
  const agents = ['g1', 'g2', 'g3'];
  for (const agent of agents) await register(agent);
  await ask('control.supervisor.define', { supervisor_id: 'gs', strategy: 'rest_for_one', intensity: 100, children: agents });
  obedient(agents);
  const orders = aSupervisor('gs', ({ agent_ids: [agent] }) => (agent === 'g1' ? 'silence' : 'ready'));
  const events = await eventsOf('gs');
  await crash('g1');
  await expect.poll(() => events().map(({ event_type }) => event_type), WITHIN).toEqual(['recovering', 'gave_up', 'escalation']);
  await expect.poll(() => orders.slice(-2).map(({ agent_ids: [agent] }) => agent), WITHIN).toEqual(['g2', 'g3']);
  await expect.poll(() => ask('agents.discovery.resolve', { agent_id: 'g3' }), WITHIN).toMatchObject({ agent: { state: 'active' } });
});

test('fifty agents that fail at once are all recovered, each by one order', async () => {
  const agents = Array.from({ length: 50 }, (_, n) => `m${n}`);
  const orders = aSupervisor('root');
  const events = await eventsOf('root');
  await Promise.all(agents.map(crash));
  const recovered = () => events().flatMap(({ event_type, affected_agents = [] }) => (event_type === 'recovered' ? affected_agents : []));
  await expect.poll(() => recovered().length, WITHIN).toBe(50);
  expect(new Set(recovered())).toEqual(new Set(agents));
  expect(orders.map(({ agent_ids: [agent] }) => agent).sort()).toEqual([...agents].sort());
});
