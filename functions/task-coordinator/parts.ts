/** Asks for parts and calls them off. A part is a task of its own, with an id made from the group's: asked for twice it is one. Pure. */
import type { Child, Context, Output } from '#shared/entity/entity.ts';
import { iso } from '#shared/iso.ts';
import { controlTasksCancel } from '#shared/messages/control.ts';
import { output } from '#shared/messages/message.ts';
import { task } from '#shared/messages/task.ts';
import { type Input, inputOf, type Known, type View } from './known.ts';
import type { Settings } from './settings.ts';
import { type Group, levelOf, partId, standing, underWay, type Which, withLetter } from './state.ts';

export type Ctx = Context<Settings, View>;

/** A decision in the making. */
export type Draft = { group: Group; publish: Output[]; children: Child[] };

export const draftOf = (group: Group): Draft => ({ group, publish: [], children: [] });

/** What one decision asks for. */
export const SLICE = { parts: 250, bytes: 250_000 };
/** Silence after which the tasks of the parts are looked at in the table: twice as long each time. */
const LOOK_MS = { first: 30_000, most: 3_600_000 };

export const looksIn = (looks: number): number => Math.min(LOOK_MS.most, LOOK_MS.first * 2 ** looks);

/** Something happened, so silence begins anew. */
export const stirred = (group: Group, now: number): Group => ({
  ...group,
  heardAt: now,
  lookAt: now + looksIn(0),
  lookFrom: 0,
  looks: 0,
});

/** The task of a part. It has as long as it says, and no longer than what is left for the whole. */
export const ask = (group: Group, n: number, which: Which, input: Exclude<Input, string>, { id, now }: Pick<Ctx, 'id' | 'now'>): Output => {
  const { requirements, participants } = group.needs[Math.min(levelOf(group, n).level, group.needs.length - 1)] ?? { requirements: {} };
  const wanted = { ...requirements, ...input.entry.requirements };
  const left = Math.max(1, group.deadline - now);
  const deadline = Math.min(group.deadline, wanted.deadline === undefined ? Infinity : Date.parse(wanted.deadline));
  const only = group.type === 'broadcast' ? [group.names?.[n] ?? ''] : (input.entry.participants ?? participants);
  return output(
    task,
    { coordination_type: 'assignment' },
    {
      task_id: partId(id, n, which),
      coordination_type: 'assignment',
      ...(only && { participants: only }),
      requirements: { ...wanted, timeout_ms: Math.min(wanted.timeout_ms ?? left, left), deadline: iso(deadline) },
      ...(input.payload !== undefined && { payload: input.payload }),
    },
  );
};

export const callOff = (n: number, which: Which, reason: string, { id }: Pick<Ctx, 'id'>): Output => {
  const task_id = partId(id, n, which);
  return output(controlTasksCancel, {}, { task_id, reason });
};

/** Of all parts that are under way. */
export const callAllOff = (group: Group, reason: string, context: Pick<Ctx, 'id'>): Output[] =>
  underWay(group).flatMap((n) => standing(group, n).map((which) => callOff(n, which, reason, context)));

/** The part to ask for next, when it may be. */
export const nextPart = (group: Group, active: number): number | undefined => {
  const n = group.parts.indexOf('.');
  if (n === -1 || active >= (group.maxParallel ?? Infinity)) return undefined;
  const { first } = levelOf(group, n);
  // A level that has begun is open.
  return n > first || !/[^d]/.test(group.parts.slice(0, first)) ? n : undefined;
};

/** Asks for as many as may be and as one decision can. `stopped`: there is more to ask for at once; or a part that is given too much. */
export const askNext = (draft: Draft, known: Known, context: Ctx): Draft & { stopped?: 'more' | { tooLarge: number } } => {
  const { now } = context;
  let { group } = draft;
  const publish = [...draft.publish];
  let active = underWay(group).length;
  let bytes = 0;
  for (let asked = 0; ; asked++) {
    const n = nextPart(group, active);
    if (n === undefined || now >= group.deadline) return { ...draft, group, publish };
    const input = asked < SLICE.parts && bytes < SLICE.bytes ? inputOf(group, n, known) : 'unread';
    if (input === 'unread') return { ...draft, group, publish, stopped: 'more' };
    if (input === 'too_large') return { ...draft, group, publish, stopped: { tooLarge: n } };
    const asking = ask(group, n, 'original', input, context);
    bytes += Buffer.byteLength(JSON.stringify(asking.body));
    publish.push(asking);
    active++;
    group = stirred({ ...group, parts: withLetter(group.parts, n, 'o') }, now);
  }
};
