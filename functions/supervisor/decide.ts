/**
 * Keeps the supervision tree: who supervises whom, how and in which order, as the supervisors' processes, operators and agents
 * say it. A change is one transaction of the supervisor, the places of the agents that come or go, and, where a supervisor gets
 * another parent, both parents and the tree. What would make it no tree is refused with a sentence.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Alarm, type Context, type Decision, type Done, defineEntity, done } from '#shared/entity/entity.ts';
import type { EntityKey } from '#shared/entity/key.ts';
import {
  controlSupervisorAddChild,
  controlSupervisorDefine,
  controlSupervisorRemove,
  controlSupervisorRemoveChild,
} from '#shared/messages/control-supervision.ts';
import { agentCreated } from '#shared/messages/lifecycle.ts';
import { supervisorEvent } from '#shared/messages/supervisor.ts';
import { defaultSupervisor, ROOT, type Supervisor, supervisorKey, supervisorKind } from '#shared/supervision/supervisor.ts';
import { definedParent, EMPTY_TREE, parentOf, placeKey, placeKind, TREE, type Tree, treeKey, treeKind } from '#shared/supervision/tree.ts';
import { type Change, changeOf, childrenAfter, comers, type Event, supervisorIdOf } from './change.ts';
import { type After, type Before, reshape } from './reshape.ts';
import { MAX_MOVES } from './rules.ts';
import { toWire } from './wire.ts';

/** The tree as it was before the batch: it says which parents have to be at hand. */
type SupervisorContext = Context<unknown, Tree>;

export const decide = (state: Supervisor | undefined, event: Event | Alarm, context: SupervisorContext): Decision<Supervisor> => {
  if (event.message === 'alarm') return done({ wakeAt: null });
  const change = changeOf(event);
  if (!change) return done();
  const { id } = context;
  const before: Before = {
    tree: context.also(treeKind, TREE) ?? EMPTY_TREE,
    supervisor: (other) => (other === id ? state : context.also(supervisorKind, other)),
    place: (agentId) => context.also(placeKind, agentId),
  };
  if (definedParent(before.tree, id) !== definedParent(context.view, id))
    return { outcome: 'retry', afterMs: 100, reason: { code: 'conflict', message: `supervisor ${id} is moved at this moment: try again` } };
  if (isIdle(change, id, state, before)) return done();
  const asked = event.message !== 'supervisorEvent' && event.message !== 'agentCreated';
  const after = reshape(id, change, before, context.now);
  if (!('refused' in after)) return { ...written(id, state, before, after), ...(asked && answer(id, after)) };
  return asked ? done({ reply: { error: after.refused } }) : { outcome: 'deadLetter', reason: after.refused };
};

/** The stop of one that never was; an agent that is somebody's already, or names one that is not defined. Nobody joins root by itself. */
const isIdle = (change: Change, id: string, state: Supervisor | undefined, { tree, place }: Before): boolean => {
  if (change.to === 'stop') return state === undefined;
  if (change.to !== 'join') return false;
  const isChild = state?.children.some((child) => child.id === change.agentId);
  return isChild || definedParent(tree, id) === undefined || typeof place(change.agentId)?.supervisor === 'string';
};

const answer = (id: string, { tree, supervisors }: After) => ({
  reply: { body: { supervisor: toWire(id, supervisors.get(id) ?? defaultSupervisor(id), tree) } },
});

/** Only what is new is written. */
const written = (id: string, state: Supervisor | undefined, before: Before, after: After): Done<Supervisor> => {
  const also: Record<EntityKey, unknown> = {};
  for (const [agentId, place] of after.places) also[placeKey(agentId)] = place;
  for (const [other, supervisor] of after.supervisors)
    if (other !== id && !isDeepStrictEqual(supervisor, before.supervisor(other))) also[supervisorKey(other)] = supervisor;
  if (!isDeepStrictEqual(after.tree, before.tree)) also[treeKey] = after.tree;
  const now = after.supervisors.get(id);
  return { outcome: 'done', also, ...(now && !isDeepStrictEqual(now, state) && { state: now }) };
};

/** What `reshape` may ask for: root, the parents, and the agents that come or go. */
const touched = (state: Supervisor | undefined, event: Event | Alarm, tree: Tree): EntityKey[] => {
  const change = event.message === 'alarm' ? undefined : changeOf(event);
  if (!change || event.message === 'alarm') return [];
  const id = supervisorIdOf(event);
  const parents = [ROOT, parentOf(tree, id), change.to === 'define' ? change.fields.parent : undefined];
  const others = new Set(parents.flatMap((other) => (other === undefined || other === id ? [] : other)));
  const [is, willBe] = [state?.children ?? [], childrenAfter(state?.children ?? [], change)];
  // With one more than may move it is refused before it looks at any.
  const agents = [...comers('agent', is, willBe), ...comers('agent', willBe, is)].slice(0, MAX_MOVES + 1);
  return [treeKey, ...[...others].map(supervisorKey), ...agents.map(placeKey)];
};

export const supervisors = defineEntity({
  of: supervisorKind,
  accepts: [
    supervisorEvent,
    agentCreated,
    controlSupervisorDefine,
    controlSupervisorRemove,
    controlSupervisorAddChild,
    controlSupervisorRemoveChild,
  ],
  id: supervisorIdOf,
  decide,
  read: async (_, reader) => (await reader.load(treeKind, [TREE])).get(TREE) ?? EMPTY_TREE,
  also: touched,
});
