/** How a task for many ends: once, with what its parts answered, or in pages where that is too much for a message. Pure. */
import { type Decision, done } from '#shared/entity/entity.ts';
import { output } from '#shared/messages/message.ts';
import { type TaskOutcome, taskDone } from '#shared/messages/task.ts';
import { answerOf, type Known } from './known.ts';
import { type Ctx, callAllOff, type Draft } from './parts.ts';
import { type Answer, type Group, minSuccessOf, unsettled } from './state.ts';
import { labelOf, namedPart, progressOf } from './wire.ts';

/** Bytes of answers in a message: with what is said besides they are below 512 KB. */
const PAGE_BYTES = 400_000;
/** What was called off is looked at again, for the call may have been lost or early. */
const CALL_AGAIN_MS = 2000;

/** The parts with one of the letters. */
const select = (group: Group, letters: string): number[] => [...group.parts].flatMap((letter, n) => (letters.includes(letter) ? n : []));

/** Cuts the answers into pages: the first part of each. */
export const pagesOf = ({ bytes }: Pick<Group, 'bytes'>): number[] => {
  const first = [0];
  let filled = 0;
  for (const [n, size] of bytes.entries()) {
    if (filled > 0 && filled + size > PAGE_BYTES) {
      first.push(n);
      filled = 0;
    }
    filled += size;
  }
  return first;
};

const hasOneResult = ({ type }: Group): boolean => type === 'pipeline' || type === 'map_reduce';

/** The parts whose answers the end of the group says; none where they are told in pages. */
export const answersToTell = (group: Group): number[] => {
  if (!hasOneResult(group)) return pagesOf(group).length > 1 ? [] : select(group, 'df');
  const last = group.parts.length - 1;
  return [...select(group, 'f'), ...(group.parts[last] === 'd' ? [last] : [])];
};

const saying = (group: Group, answers: ReadonlyMap<number, Answer>) => {
  const result = (n: number): unknown => answers.get(n)?.result ?? null;
  if (hasOneResult(group)) return group.outcome === 'completed' ? { result: result(group.parts.length - 1) } : {};
  const pages = pagesOf(group).length;
  if (pages > 1) return { pages };
  if (group.type === 'parallel') return { result: select(group, '.ofdx').map(result) };
  return { result: Object.fromEntries(select(group, 'd').map((n) => [labelOf(group, n), result(n)])) };
};

/** The end as a message; undefined: an answer was not read. */
const endOf = (group: Group, id: string, known: Known) => {
  const wanted = answersToTell(group).map((n) => [n, answerOf(group, n, known)] as const);
  if (wanted.some(([, answer]) => answer === undefined)) return undefined;
  const answers = new Map(wanted as [number, Answer][]);
  const { completed, parts } = progressOf(group);
  const failed = select(group, 'f').map((n) => ({
    ...namedPart(group, n),
    outcome: answers.get(n)?.outcome,
    error: answers.get(n)?.error,
  }));
  const missing = [...select(group, '.ox').map((n) => labelOf(group, n)), ...(group.absent ?? [])];
  return {
    task_id: id,
    outcome: group.outcome as TaskOutcome,
    coordination_type: group.type,
    attempts: group.attempts,
    counts: { parts, completed, failed: failed.length, missing: missing.length },
    ...saying(group, answers),
    ...(group.error && { error: group.error }),
    ...(failed.length > 0 && { failed }),
    ...(missing.length > 0 && { missing }),
  };
};

/** Tells the end when it can, else at the next alarm, which reads the answers. */
export const finish = (draft: Draft, known: Known, { id, now }: Ctx, unreadAt = now): Decision<Group> => {
  const end = endOf(draft.group, id, known);
  if (!end) return done({ state: draft.group, publish: draft.publish, children: draft.children, wakeAt: unreadAt });
  const group: Group = { ...draft.group, phase: 'ended' };
  const wakeAt = unsettled(group).length > 0 ? group.lookAt : null;
  return done({ state: group, publish: [...draft.publish, output(taskDone, { task_id: id }, end)], children: draft.children, wakeAt });
};

/** Ends it: what is under way is called off. */
export const close = (draft: Draft, outcome: TaskOutcome, error: Group['error'], known: Known, context: Ctx): Decision<Group> => {
  const { now } = context;
  const ended = { phase: 'closing' as const, outcome, endedAt: now, lookAt: now + CALL_AGAIN_MS, lookFrom: 0, looks: 0 };
  const group: Group = { ...draft.group, ...ended, ...(error && { error }) };
  const why = error?.message ?? `task ${context.id} has ended: ${outcome}`;
  return finish({ ...draft, group, publish: [...draft.publish, ...callAllOff(group, why, context)] }, known, context);
};

/** How it ends as things stand; undefined: it goes on. */
export const verdict = (group: Group, id: string): { outcome: TaskOutcome; error?: Group['error'] } | undefined => {
  const { parts, completed, failed } = progressOf(group);
  const wanted = minSuccessOf(group);
  const isOver = completed + failed === parts;
  if (!isOver && !(group.failFast && parts - failed < wanted)) return undefined;
  if (completed >= wanted && isOver) return { outcome: 'completed' };
  const message = `task ${id} needs ${wanted} of its parts to complete: ${completed} did and ${failed} did not`;
  return { outcome: 'failed', error: { code: 'parts_failed', message } };
};
