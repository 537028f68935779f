/**
 * The tree after a change. Every supervisor that is defined is a child of exactly one other: of root, where it names no parent
 * and nobody names it a child; there another supervisor may take it from. Pure.
 */
import type { ErrorBody } from '#shared/contract.ts';
import { type Child, defaultChild, defaultSupervisor, isImplied, ROOT, type Supervisor } from '#shared/supervision/supervisor.ts';
import { definedParent, type Place, type Tree } from '#shared/supervision/tree.ts';
import { type Change, childrenAfter, comers } from './change.ts';
import { irremovable, MAX_MOVES, misfit, misplaced, noChild, notDefined, orphan, secondParent, tooManyMoves } from './rules.ts';

/** The part of the tree that a change can touch. */
export type Before = {
  tree: Tree;
  supervisor: (id: string) => Supervisor | undefined;
  place: (agentId: string) => Place | undefined;
};

/** What is new in it. */
export type After = { tree: Tree; supervisors: Map<string, Supervisor>; places: Map<string, Place> };

export const reshape = (id: string, change: Change, before: Before, now: number): After | { refused: ErrorBody } => {
  const was = before.supervisor(id) ?? defaultSupervisor(id);
  const draft = newDraft(before);
  const refused = change.to === 'remove' ? remove(id, was, draft, now) : redefine(id, was, change, before, draft);
  if (refused) return { refused };
  const places = movedAgents(id, was, draft.of(id), before, now);
  if ('refused' in places) return places;
  const faults = [...draft.supervisors].map(([one, supervisor]) => misfit(one, supervisor));
  const fault = faults.find(Boolean) ?? misplaced(id, draft.tree);
  return fault ? { refused: fault } : { tree: draft.tree, supervisors: draft.supervisors, places };
};

type Draft = ReturnType<typeof newDraft>;

const newDraft = (before: Before) => {
  const tree: Tree = { parents: { ...before.tree.parents } };
  const supervisors = new Map<string, Supervisor>();
  const of = (id: string): Supervisor => {
    const { removedAt: _, ...supervisor } = supervisors.get(id) ?? before.supervisor(id) ?? defaultSupervisor(id);
    return supervisor;
  };
  const setChildren = (id: string, edit: (children: Child[]) => Child[]) =>
    supervisors.set(id, { ...of(id), children: edit(of(id).children) });
  const leave = (id: string) => {
    const parent = definedParent(tree, id);
    if (parent !== undefined) setChildren(parent, (children) => children.filter((child) => !isSupervisor(child, id)));
    delete tree.parents[id];
  };
  /** It becomes the last child of its new parent, unless it is listed there. */
  const move = (id: string, parent: string) => {
    if (definedParent(tree, id) !== parent) leave(id);
    tree.parents[id] = parent;
    if (!of(parent).children.some((child) => isSupervisor(child, id)))
      setChildren(parent, (children) => [...children, { ...defaultChild(id), type: 'supervisor' }]);
  };
  return { tree, supervisors, of, leave, move };
};

const isSupervisor = (child: Child, id: string): boolean => child.type === 'supervisor' && child.id === id;

const remove = (id: string, was: Supervisor, draft: Draft, now: number): ErrorBody | undefined => {
  const refused = irremovable(id, was, id === ROOT);
  if (refused) return refused;
  if (definedParent(draft.tree, id) === undefined) return notDefined(id);
  draft.leave(id);
  draft.supervisors.set(id, { ...defaultSupervisor(id), removedAt: now });
  return undefined;
};

const redefine = (id: string, was: Supervisor, change: Change, before: Before, draft: Draft): ErrorBody | undefined => {
  const { tree } = draft;
  if (change.to !== 'define' && definedParent(tree, id) === undefined && !isImplied(id)) return notDefined(id);
  const missing = namedIn(change).find((named) => !was.children.some((child) => child.id === named));
  if (missing !== undefined) return noChild(id, missing);
  const after = childrenAfter(was.children, change);
  draft.supervisors.set(id, { ...draft.of(id), ...saidOf(was, change), children: after });

  const parent = (change.to === 'define' ? change.fields.parent : undefined) ?? definedParent(tree, id) ?? (id === ROOT ? undefined : ROOT);
  if (parent !== undefined) {
    const isDefined = definedParent(tree, parent) !== undefined;
    if (!isDefined && !isImplied(parent)) return orphan(id, parent);
    if (!isDefined && parent !== ROOT) draft.move(parent, ROOT);
    draft.move(id, parent);
  }
  for (const child of comers('supervisor', was.children, after)) {
    const there = definedParent(before.tree, child);
    if (there !== undefined && there !== id && there !== ROOT) return secondParent('supervisor', child, there);
    draft.move(child, id);
  }
  for (const child of comers('supervisor', after, was.children)) if (definedParent(tree, child) === id) draft.move(child, ROOT);
  return undefined;
};

/** Children that it takes to be there. */
const namedIn = (change: Change): string[] => {
  if (change.to === 'add' && change.before !== undefined) return [change.before];
  return change.to === 'drop' && change.exact ? change.children : [];
};

const saidOf = (was: Supervisor, change: Change): Partial<Supervisor> => {
  if (change.to === 'stop') return change.at > (was.startedAt ?? change.at) ? { startedAt: null } : {};
  if (change.to !== 'define') return {};
  const { strategy, intensity, period_ms, auto_shutdown } = change.fields;
  return {
    ...(strategy !== undefined && { strategy }),
    ...(intensity !== undefined && { intensity }),
    ...(period_ms !== undefined && { period: period_ms }),
    ...(auto_shutdown !== undefined && { autoShutdown: auto_shutdown }),
    ...(change.startedAt !== undefined && { startedAt: Math.max(change.startedAt, was.startedAt ?? 0) }),
  };
};

const movedAgents = (
  id: string,
  was: Supervisor,
  is: Supervisor,
  before: Before,
  now: number,
): Map<string, Place> | { refused: ErrorBody } => {
  const [come, go] = [comers('agent', was.children, is.children), comers('agent', is.children, was.children)];
  if (come.length + go.length > MAX_MOVES) return { refused: tooManyMoves(id, come.length + go.length) };
  for (const agentId of come) {
    const there = before.place(agentId)?.supervisor ?? id;
    if (there !== id) return { refused: secondParent('agent', agentId, there) };
  }
  return new Map<string, Place>([
    ...come.map((agentId): [string, Place] => [agentId, { supervisor: id }]),
    ...go.map((agentId): [string, Place] => [agentId, { supervisor: null, leftAt: now }]),
  ]);
};
