/** `control.supervisor.show`: a supervisor with all that is below it, and how its agents are. */
import type { Reader } from '#shared/entity/reader.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlSupervisorShow } from '#shared/messages/control-supervision.ts';
import { type Agent, agentKind, isHealthy } from '#shared/registry/agent.ts';
import { type Child, defaultSupervisor, isImplied, ROOT, type Supervisor, supervisorKind } from '#shared/supervision/supervisor.ts';
import { definedParent, EMPTY_TREE, TREE, type Tree, treeKind } from '#shared/supervision/tree.ts';
import { notDefined } from './rules.ts';
import { childToWire, toWire } from './wire.ts';

/** Children in an answer, which has to fit a message: one takes about 150 bytes. */
const MAX_SHOWN = 3000;

export type Shown = { tree: Tree; supervisors: ReadonlyMap<string, Supervisor>; agents: ReadonlyMap<string, Agent> };

const idsOf = (children: readonly Child[], type: Child['type']): string[] =>
  children.filter((child) => child.type === type).map(({ id }) => id);

/** A level at a time, until there is enough for an answer. */
const readBelow = async (reader: Reader, top: string): Promise<Shown> => {
  const tree = (await reader.load(treeKind, [TREE])).get(TREE) ?? EMPTY_TREE;
  const supervisors = new Map<string, Supervisor>();
  const agentIds: string[] = [];
  for (let level = [top], shown = 0; level.length > 0 && shown < MAX_SHOWN; ) {
    const loaded = await reader.load(supervisorKind, level);
    const children: Child[] = [];
    for (const id of level) {
      const supervisor = loaded.get(id) ?? defaultSupervisor(id);
      shown += supervisor.children.length;
      if (shown > MAX_SHOWN) break;
      supervisors.set(id, supervisor);
      children.push(...supervisor.children);
    }
    agentIds.push(...idsOf(children, 'agent'));
    level = idsOf(children, 'supervisor');
  }
  return { tree, supervisors, agents: await reader.load(agentKind, agentIds) };
};

const shownChild = (child: Child, shown: Shown): object => {
  if (child.type === 'supervisor') return { ...childToWire(child), ...shownSupervisor(child.id, shown) };
  const agent = shown.agents.get(child.id);
  return { ...childToWire(child), lifecycle: agent?.lifecycle ?? null, healthy: agent !== undefined && isHealthy(agent) };
};

/** `more`: its children are left out, ask for it alone. */
const shownSupervisor = (id: string, shown: Shown): object => {
  const supervisor = shown.supervisors.get(id);
  if (!supervisor) return { supervisor_id: id, more: true };
  return { ...toWire(id, supervisor, shown.tree), children: supervisor.children.map((child) => shownChild(child, shown)) };
};

export const show = defineQuery({
  message: controlSupervisorShow,
  read: ({ body: { supervisor_id = ROOT } }, reader) => readBelow(reader, supervisor_id),
  answer: (shown: Shown, { body: { supervisor_id = ROOT } }) =>
    isImplied(supervisor_id) || definedParent(shown.tree, supervisor_id) !== undefined
      ? { body: { supervisor: shownSupervisor(supervisor_id, shown) } }
      : { error: notDefined(supervisor_id) },
});
