/** The end of a part: it counts once, also where two tasks do the same part. Pure. */
import { output } from '#shared/messages/message.ts';
import { taskStatus } from '#shared/messages/task.ts';
import { shortened } from '#shared/shortened.ts';
import { backupsFrom } from './backups.ts';
import type { Known } from './known.ts';
import { type Ctx, callOff, type Draft, stirred } from './parts.ts';
import { bytesOf, MAX_BYTES } from './plan.ts';
import { type Answer, answerName, childrenExpire, type Group, standing, type Which, withLetter } from './state.ts';
import { progressOf } from './wire.ts';

/** Bytes of answers kept in the state; the others are children. */
const IN_STATE_BYTES = 16_384;
const SOURCE = 'task-coordinator';

/** `tookMs`: how long the attempt took that completed it. */
export type Ended = Answer & { tookMs?: number | undefined };

/** Whether it is the end of a task that still counts. */
export const counts = (group: Group, n: number, which: Which): boolean =>
  group.phase === 'running' && group.parts[n] === 'o' && standing(group, n).includes(which);

const fitting = ({ tookMs: _, ...answer }: Ended, which: string): Answer => {
  const { error, ...said } = answer;
  const kept: Answer = { ...said, ...(error !== undefined && { error: shortened(error) }) };
  if (bytesOf(kept) <= MAX_BYTES) return kept;
  const message = `the result of ${which} has more than ${MAX_BYTES} bytes: store it elsewhere and answer a reference`;
  return { outcome: 'failed', attempts: answer.attempts, error: { code: 'result_too_large', message } };
};

/** Takes the end of a part's task. The group goes on as before while another task of the part may still answer. */
export const take = (draft: Draft, n: number, which: Which, ended: Ended, context: Ctx): Draft => {
  const { now } = context;
  const answer = fitting(ended, `part ${n + 1}`);
  const completed = answer.outcome === 'completed';
  const others = standing(draft.group, n).filter((other) => other !== which);
  const before = stirred({ ...draft.group, attempts: draft.group.attempts + answer.attempts }, now);
  const [other] = others;
  if (!completed && other) return { ...draft, group: { ...before, backups: { ...before.backups, [n]: other } } };
  const { [n]: _, ...rest } = before.backups;
  const bytes = bytesOf(answer);
  const inState = Object.keys(before.answers).reduce((sum, at) => sum + (before.bytes[Number(at)] ?? 0), bytes) <= IN_STATE_BYTES;
  const isMap = before.type === 'map_reduce' && n < (before.levels[0] ?? 0);
  const group: Group = {
    ...before,
    // The slower one is called off, and again after the end.
    backups: other ? { ...rest, [n]: other } : rest,
    parts: withLetter(before.parts, n, completed ? 'd' : 'f'),
    bytes: before.bytes.with(n, bytes),
    ...(inState && { answers: { ...before.answers, [n]: answer } }),
    ...(isMap && completed && { took: [...before.took, ended.tookMs ?? now - before.startedAt] }),
  };
  const child = { name: answerName(n), data: answer, expiresAt: childrenExpire(group) };
  const overtaken = others.map((slower) => callOff(n, slower, 'another copy of it was faster', context));
  const children = inState ? draft.children : [...draft.children, child];
  return { group: backupsFrom(group, context), children, publish: [...draft.publish, ...overtaken] };
};

/** The answers that a draft is about to put count as read. */
export const knowing = (known: Known, n: number, { children }: Draft): Known => {
  const put = children.find(({ name }) => name === answerName(n));
  return put ? { ...known, answers: new Map([...known.answers, [n, put.data as Answer]]) } : known;
};

/** Says how far it is when another tenth of the parts has ended. */
export const tell = (draft: Draft, { id: task_id }: Pick<Ctx, 'id'>): Draft => {
  const { group, publish } = draft;
  const progress = progressOf(group);
  const told = Math.floor((10 * (progress.completed + progress.failed)) / progress.parts);
  if (told <= group.told || told === 10) return draft;
  const said = output(taskStatus, { task_id }, { task_id, agent_id: SOURCE, status: 'progress', progress });
  return { ...draft, group: { ...group, told }, publish: [...publish, said] };
};
