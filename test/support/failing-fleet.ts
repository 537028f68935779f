/**
 * A fleet that fails at once, and what becomes of it, over NATS. Its supervisors' processes start what they are ordered to, as the
 * fate of each agent says; agents stop when they are asked to.
 */
import { collect, type Stack } from './stack.ts';

/** How an agent's starts go: well, only when tried again, or nobody ever hears of them. */
export type Fate = 'starts' | 'fails first' | 'silent first' | 'silent';

type Order = { agent_ids: string[]; attempt: number; recovery_id: string };
type Told = { event_type: string; recovery_id: string; affected_agents?: string[] };

export const obey = async ({ nc }: Stack, fateOf: (agentId: string) => Fate): Promise<void> => {
  const say = (subject: string, body: object) => nc.publish(subject, JSON.stringify(body));
  const start = (supervisor: string, agent_id: string, { attempt, recovery_id }: Order): void => {
    const fate = fateOf(agent_id);
    if (fate === 'silent' || (fate === 'silent first' && attempt === 1)) return;
    const failed = { event_type: 'restart_failed', affected_agents: [agent_id], attempt, recovery_id };
    if (fate === 'fails first' && attempt === 1) say(`supervisor.${supervisor}.events`, failed);
    else say(`agent.${agent_id}.ready`, { agent_id });
  };
  nc.subscribe('supervisor.*.cmd.restart', {
    callback: (_, message) => {
      const order = message.json<Order>();
      for (const agent of order.agent_ids) start(message.subject.split('.')[1] ?? '', agent, order);
    },
  });
  nc.subscribe('agent.*.cmd.shutdown', {
    callback: (_, { subject }) => say(`agent.${subject.split('.')[1]}.stopped`, { reason: 'asked' }),
  });
  await nc.flush();
};

export const crash = ({ nc }: Stack, agents: readonly string[]): Promise<void> => {
  for (const agent_id of agents) {
    const body = { event_id: `${agent_id}-crash`, agent_id, failure_type: 'process_crash', severity: 'high' };
    nc.publish('supervision.failures.high', JSON.stringify(body));
  }
  return nc.flush();
};

/** What is said of recoveries from now on. */
export const watch = async ({ nc }: Stack) => {
  const events = await collect(nc, 'supervisor.*.events');
  const escalations = await collect(nc, 'supervision.escalation.*');
  const told = (...types: string[]) => events.map(({ body }) => body as Told).filter(({ event_type }) => types.includes(event_type));
  return {
    /** Agents, as often as they were. */
    recovered: (): string[] => told('recovered').flatMap(({ affected_agents = [] }) => affected_agents),
    escalated: (): string[] => escalations.map(({ body }) => (body as { agent_id: string }).agent_id),
    /** Ids of recoveries. */
    begun: (): Set<string> => new Set(told('recovering').map(({ recovery_id }) => recovery_id)),
    ended: (): string[] => told('recovered', 'gave_up', 'joined').map(({ recovery_id }) => recovery_id),
  };
};
