/**
 * Looks at the tasks of parts in the table: asks again for one that is not known there, takes an end that was not heard, and
 * gives slow maps their backups. A hundred parts at a time. Pure.
 */
import { type Decision, done } from '#shared/entity/entity.ts';
import type { EndedTask, Task } from '#shared/tasks/task.ts';
import { type Ended, take } from './answers.ts';
import { backupOf } from './backups.ts';
import { inputOf, type Known } from './known.ts';
import { ask, type Ctx, callOff, type Draft, looksIn } from './parts.ts';
import { type Group, partId, standing, underWay, unsettled, type Which } from './state.ts';

const PARTS_AT_ONCE = 100;
/** An end that is younger may be on its way. */
const GRACE_MS = 10_000;
/** What was called off may not have been: so often, ms after it at first, then twice as late each time. */
const CALL_AGAIN = { times: 10, ms: 2000 };

const toLookAt = (group: Group, from: number): number[] => (group.phase === 'ended' ? unsettled(group, from) : underWay(group, from));

/** The parts whose tasks are to be looked at next. */
export const partsToLookAt = (group: Group): number[] => toLookAt(group, group.lookFrom).slice(0, PARTS_AT_ONCE);

/** The part after which the look goes on at once; undefined: all were looked at. */
const goesOnAfter = (group: Group, looked: readonly number[]): number | undefined => {
  const last = looked.at(-1);
  return last !== undefined && toLookAt(group, last + 1).length > 0 ? last : undefined;
};

const unheard = ({ outcome, tried }: EndedTask, id: string): Ended => {
  const attempts = tried.length;
  if (outcome !== 'completed') return { outcome, attempts, error: { code: outcome, message: `why task ${id} ended so was not heard` } };
  return { outcome: 'failed', attempts, error: { code: 'result_lost', message: `task ${id} completed, but its result was not heard` } };
};

const asked = (draft: Draft, n: number, which: Which, known: Known, context: Ctx): Draft => {
  const input = inputOf(draft.group, n, known);
  // It was not read: the next look comes.
  return typeof input === 'string' ? draft : { ...draft, publish: [...draft.publish, ask(draft.group, n, which, input, context)] };
};

const backedUp = (draft: Draft, n: number, known: Known, context: Ctx): Draft => {
  const after = asked(draft, n, 'backup', known, context);
  if (after === draft) return draft;
  const { group } = after;
  return { ...after, group: { ...group, backups: { ...group.backups, [n]: 'both' }, backedUp: group.backedUp + 1, heardAt: context.now } };
};

export const look = (before: Draft, known: Known, context: Ctx): Draft => {
  const { now, id } = context;
  const { heardAt } = before.group;
  const { tasks } = known;
  if (!tasks) return { ...before, group: { ...before.group, lookAt: now } };
  const isSilent = now - heardAt >= looksIn(0);
  const looked = partsToLookAt(before.group);
  let draft = before;
  let again = Infinity;
  const lookAt = (n: number, which: Which, task: Task | undefined): void => {
    if (!task || task.phase === 'expected') {
      if (isSilent) draft = asked(draft, n, which, known, context);
    } else if (task.phase === 'ended') {
      if (now - task.endedAt >= GRACE_MS) draft = take(draft, n, which, unheard(task, partId(id, n, which)), context);
    } else {
      const backup = backupOf(draft.group, n, task, context);
      if (backup === 'now') draft = backedUp(draft, n, known, context);
      else if (backup !== undefined) again = Math.min(again, backup);
    }
  };
  for (const n of looked)
    for (const which of standing(before.group, n)) if (draft.group.parts[n] === 'o') lookAt(n, which, tasks.get(partId(id, n, which)));
  const after = goesOnAfter(draft.group, looked);
  if (after !== undefined) return { ...draft, group: { ...draft.group, lookFrom: after + 1, lookAt: now } };
  const looks = isSilent ? before.group.looks + 1 : 0;
  const next = isSilent ? now + looksIn(looks) : heardAt + looksIn(0);
  return { ...draft, group: { ...draft.group, lookFrom: 0, looks, lookAt: Math.min(again, next) } };
};

/** After its end: calls off again what has not ended, for the first call may have been lost, or have come before the task. */
export const lookBack = (before: Group, known: Known, context: Ctx): Decision<Group> => {
  const { now, id } = context;
  const { tasks } = known;
  if (!tasks) return done({ wakeAt: now });
  const looked = partsToLookAt(before);
  const open = looked.map((n) => ({ n, which: standing(before, n).filter((one) => tasks.get(partId(id, n, one))?.phase !== 'ended') }));
  const settled = new Set(open.flatMap(({ n, which }) => (which.length === 0 ? n : [])));
  const group: Group = {
    ...before,
    parts: [...before.parts].map((letter, n) => (letter === 'o' && settled.has(n) ? 'x' : letter)).join(''),
    backups: Object.fromEntries(Object.entries(before.backups).filter(([n]) => !settled.has(Number(n)))),
  };
  const publish = open.flatMap(({ n, which }) => which.map((one) => callOff(n, one, `task ${id} has ended`, context)));
  const after = goesOnAfter(before, looked);
  if (after !== undefined) return done({ state: { ...group, lookFrom: after + 1, lookAt: now }, publish, wakeAt: now });
  const looks = before.looks + 1;
  const lookAt = now + CALL_AGAIN.ms * 2 ** looks;
  const isOver = looks >= CALL_AGAIN.times || unsettled(group).length === 0;
  return done({ state: { ...group, lookFrom: 0, looks, lookAt }, publish, wakeAt: isOver ? null : lookAt });
};
