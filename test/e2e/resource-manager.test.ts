/** Agents that share resources, on a real server and a real table: clients of NATS, and nothing else. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 15_000, interval: 20 };

type Answer = { resource_id: string; status: string; fencing_token?: number; code?: string; position?: number };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack({ RESOURCE_GRACE_MS: '100' });
});
afterAll(() => stack.stop());

const request = async (subject: string, body: unknown) =>
  (await stack.nc.request(subject, JSON.stringify(body), { timeout: 15_000 })).json();

/** An agent, and what it was told: `granted disk`. */
const anAgent = async (requester: string) => {
  const answers = await collect(stack.nc, `coordination.resources.granted.${requester}`);
  const all = () => answers.map(({ body }) => body as Answer);
  return {
    ask: (coordination_type: string, resource_id: string, more: object = {}) =>
      stack.publish(`coordination.resources.request.${resource_id}`, { coordination_type, requester, ...more }),
    told: () => all().map(({ status, resource_id, code }) => [status, resource_id, code].filter(Boolean).join(' ')),
    token: () => all().findLast(({ status }) => status === 'granted')?.fencing_token as number,
  };
};

const stands = (resource_id: string, fencing_token: number) => request('control.resource.check', { resource_id, fencing_token });

test('what one agent releases goes to the next, and the token of the first does not stand any more', async () => {
  const [a1, a2] = await Promise.all([anAgent('r-a1'), anAgent('r-a2')]);
  await a1.ask('acquire', 'disk');
  await expect.poll(a1.told, WITHIN).toEqual(['granted disk']);
  await a2.ask('acquire', 'disk');
  await expect.poll(a2.told, WITHIN).toEqual(['queued disk']);
  expect(await stands('disk', a1.token())).toMatchObject({ current: true });
  await a1.ask('release', 'disk', { fencing_token: a1.token() });
  await expect.poll(a2.told, WITHIN).toEqual(['queued disk', 'granted disk']);
  expect(a2.token()).toBeGreaterThan(a1.token());
  expect(await stands('disk', a1.token())).toMatchObject({ current: false, newest: a2.token() });
  expect(await request('control.resource.show', { resource_id: 'disk' })).toMatchObject({
    resource: { holders: [{ requester: 'r-a2', fencing_token: a2.token() }], waiting: 0 },
  });
});

test('a lease that nobody renews is over, and goes to the next', async () => {
  const [a1, a2] = await Promise.all([anAgent('e-a1'), anAgent('e-a2')]);
  await a1.ask('acquire', 'brief', { ttl_ms: 500 });
  await a2.ask('acquire', 'brief');
  await expect.poll(a1.told, WITHIN).toEqual(['granted brief', 'expired brief']);
  await expect.poll(a2.told, WITHIN).toEqual(['queued brief', 'granted brief']);
});

test('what a crashed agent held and waited for goes to others at once', async () => {
  const [a1, a2, a3] = await Promise.all([anAgent('c-a1'), anAgent('c-a2'), anAgent('c-a3')]);
  await a1.ask('acquire', 'lathe', { ttl_ms: 600_000 });
  await a2.ask('acquire', 'lathe');
  await a3.ask('acquire', 'lathe');
  await expect.poll(a3.told, WITHIN).toEqual(['queued lathe']);
  await stack.publish('agent.c-a2.stopped', { agent_id: 'c-a2' });
  await expect.poll(a2.told, WITHIN).toEqual(['queued lathe', 'released lathe gone']);
  const crash = { event_id: 'c-e1', agent_id: 'c-a1', failure_type: 'process_crash', severity: 'high' };
  await stack.publish('supervision.failures.high', crash);
  await expect.poll(a3.told, WITHIN).toEqual(['queued lathe', 'granted lathe']);
});

test('of two agents that wait for each other the younger is told, and the older goes on when it lets go', async () => {
  const [a1, a2] = await Promise.all([anAgent('d-a1'), anAgent('d-a2')]);
  await a1.ask('acquire', 'left', { ttl_ms: 600_000 });
  await a2.ask('acquire', 'right', { ttl_ms: 600_000 });
  await expect.poll(a2.told, WITHIN).toEqual(['granted right']);
  await a1.ask('acquire', 'right', { ttl_ms: 600_000 });
  await expect.poll(a1.told, WITHIN).toEqual(['granted left', 'queued right']);
  await a2.ask('acquire', 'left', { ttl_ms: 600_000 });
  await expect.poll(a2.told, WITHIN).toContain('refused left deadlock');
  await a2.ask('release', 'right', { fencing_token: a2.token() });
  await expect.poll(a1.told, WITHIN).toEqual(['granted left', 'queued right', 'granted right']);
});

test('two that begin to wait for each other at the same moment are found, too', async () => {
  const [a1, a2] = await Promise.all([anAgent('m-a1'), anAgent('m-a2')]);
  await a1.ask('acquire', 'up', { ttl_ms: 600_000 });
  await a2.ask('acquire', 'down', { ttl_ms: 600_000 });
  await expect.poll(() => [a1.told(), a2.told()], WITHIN).toEqual([['granted up'], ['granted down']]);
  await Promise.all([a1.ask('acquire', 'down', { ttl_ms: 600_000 }), a2.ask('acquire', 'up', { ttl_ms: 600_000 })]);
  const refusals = () => [...a1.told(), ...a2.told()].filter((line) => line.endsWith('deadlock'));
  await expect.poll(refusals, WITHIN).toHaveLength(1);
});

test('as many as its capacity says hold a resource, and what is held is listed', async () => {
  const agents = await Promise.all(['n-a1', 'n-a2', 'n-a3'].map(anAgent));
  for (const agent of agents) await agent.ask('acquire', 'pool', { resource_details: { capacity: 2 } });
  await expect.poll(() => agents.map(({ told }) => told()), WITHIN).toEqual([['granted pool'], ['granted pool'], ['queued pool']]);
  await expect
    .poll(async () => ((await request('control.resource.list', {})) as { resources: object[] }).resources, WITHIN)
    .toContainEqual(expect.objectContaining({ resource_id: 'pool', capacity: 2, held: 2, waiting: 1 }));
});
