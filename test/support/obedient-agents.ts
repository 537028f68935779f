/** Agents that obey commands and checks, all on one connection: what one of them would see is told by the subject. */
import type { Stack } from './stack.ts';

export type Obeyed = { id: string; verb: string; body: Record<string, unknown>; action?: string | undefined };

/** Every agent answers but those whose id begins with `dead-`. */
export const obedientAgents = ({ nc, publish }: Pick<Stack, 'nc' | 'publish'>) => {
  /** What each agent was sent. */
  const obeyed: Obeyed[] = [];
  nc.subscribe('agent.*.cmd.*', {
    callback: (_, message) => {
      const [, id = '', , verb = ''] = message.subject.split('.');
      if (id.startsWith('dead-')) return;
      obeyed.push({ id, verb, body: message.json(), action: message.headers?.get('X-Action') });
      message.respond(JSON.stringify({ status: 'ok', by: id }));
    },
  });
  nc.subscribe('health.check.*', {
    callback: (_, message) => {
      const id = message.subject.split('.')[2] as string;
      if (id !== 'all' && !id.startsWith('dead-')) message.respond(JSON.stringify({ agent_id: id, status: 'ready' }));
    },
  });
  const ask = async (subject: string, body: unknown = {}, timeout = 30_000) =>
    (await nc.request(subject, JSON.stringify(body), { timeout })).json<Record<string, unknown>>();
  const find = async (domain: string) =>
    (await ask('agents.discovery.find', { domain, limit: 1000 })).agents as { agent_id: string; state: string }[];
  return {
    obeyed,
    sentTo: (command_id: string) => obeyed.filter(({ body }) => body.command_id === command_id).map(({ id }) => id),
    register: async (agent_id: string, domain: string, more: object = {}) => {
      for (const verb of ['created', 'ready'])
        await publish(`agent.${agent_id}.${verb}`, { agent_id, domain, capabilities: [domain], ...more });
    },
    ask,
    find,
    statesOf: async (domain: string) => Object.groupBy(await find(domain), ({ state }) => state),
  };
};
