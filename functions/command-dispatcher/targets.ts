/** Who a command is for, and the pages of targets that a round has come to: read before it is decided. */
import type { Alarm } from '#shared/entity/entity.ts';
import { idOf } from '#shared/entity/key.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { type CommandTargets, MAX_COMMANDED_ID } from '#shared/messages/control-coordination.ts';
import { findAgents } from '#shared/registry/candidates.ts';
import type { Answer } from './collect.ts';
import { commandKind, dueTargets, isUnsent, MAX_TARGETS, pageOf, targetsName } from './command.ts';
import { askedBy, commandIdOf, type Request } from './request.ts';

/** `resolved`: the targets by command; one more than there may be says that there are too many. `pages`: by `<command>/<page>`. */
export type View = { resolved: ReadonlyMap<string, readonly string[]>; pages: ReadonlyMap<string, readonly string[]> };

export const readView = async (events: readonly (Request | Answer | Alarm)[], reader: Reader): Promise<View> => {
  const requests = events.filter(
    (event) => event.message !== 'alarm' && event.message !== 'commandAnswer' && event.message !== 'agentResponse',
  );
  const resolved = requests.map(async (request): Promise<[string, string[]]> => {
    const to = askedBy(request)?.to;
    return [commandIdOf(request), to ? await resolve(to, reader) : []];
  });
  const woken = events.flatMap((event) => (event.message === 'alarm' ? idOf(event.key) : []));
  return { resolved: new Map(await Promise.all(resolved)), pages: await readPages(woken, reader) };
};

const resolve = async ({ agent_ids, domain, capability }: CommandTargets, reader: Reader): Promise<string[]> => {
  if (agent_ids) return [...new Set(agent_ids)];
  const agents = await findAgents(reader, { domain, capability }, MAX_TARGETS + 1);
  return agents
    .map(({ profile }) => profile.agent_id)
    .filter((id) => id.length <= MAX_COMMANDED_ID)
    .sort();
};

const readPages = async (ids: readonly string[], reader: Reader): Promise<Map<string, string[]>> => {
  const pages = new Map<string, string[]>();
  if (ids.length === 0) return pages;
  for (const [id, command] of await reader.load(commandKind, ids)) {
    const wanted = new Set(command.closedAt === undefined || isUnsent(command) ? dueTargets(command).map(pageOf) : []);
    wanted.delete(0);
    await Promise.all([...wanted].map(async (page) => pages.set(`${id}/${page}`, await readPage(id, page, reader))));
  }
  return pages;
};

/** A page after the first. */
export const readPage = async (id: string, page: number, reader: Reader): Promise<string[]> => {
  const name = targetsName(page);
  const children = await reader.children(commandKind, id, name, { limit: 1 });
  return (children.get(name) as string[] | undefined) ?? [];
};
