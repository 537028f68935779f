/**
 * The function of the simulator, made for judging: a counter by key. Every publish of a message carries a digit of its own
 * (a power of four), and adding it is all that a message does. So the sum says how often each one acted, and nothing in
 * the state helps the engine to notice that it acts twice. Beside each counter hangs a bell, which messages about other keys
 * wind up: its alarm follows from its state.
 */
import * as z from 'zod';
import { type Context, type Decision, defineEntity, type Output } from '#shared/entity/entity.ts';
import { keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { defineMessage } from '#shared/messages/message.ts';

export const FUNCTION = 'sim';

const state = z.object({
  sum: z.number(),
  /** Digits that came with messages about another key. */
  side: z.number(),
  /** Digits of alarms that acted. */
  rung: z.number(),
  count: z.number(),
  /** Digits as they came, to judge their order. */
  trail: z.array(z.number()),
  alarm: z.object({ due: z.number(), digit: z.number() }).nullable(),
});
export type Counter = z.infer<typeof state>;

const body = z.object({ kind: z.string(), digit: z.number(), other: z.string(), x: z.number() });
export type Body = z.infer<typeof body>;

const fromStream = defineMessage({ name: 'fromStream', subject: 'in.<key>', by: 'COORDINATION', body });
const fromCore = defineMessage({ name: 'fromCore', subject: 'beat.<key>', by: 'core', body });
type Message = typeof fromStream | typeof fromCore;

const START: Counter = { sum: 0, side: 0, rung: 0, count: 0, trail: [], alarm: null };

const bell = z.object({
  /** Alarms that are to come. */
  wound: z.array(z.object({ due: z.number(), digit: z.number() })),
  /** Digits of those that were. */
  rung: z.number(),
});
export type Bell = z.infer<typeof bell>;

const STILL: Bell = { wound: [], rung: 0 };

/** What an output says: who caused it, and the sum with it. */
export type Said = { by: number; sum?: number; rung?: number; count?: number; pad?: string };

const counters: Kind<Counter> = { kind: 'counter', schema: state, version: 1 };
const bells: Kind<Bell> = {
  kind: 'bell',
  schema: bell,
  version: 1,
  wakeAt: ({ wound }) => (wound.length === 0 ? null : Math.min(...wound.map(({ due }) => due))),
};
export const BELLS = ['a', 'b', 'c'].map((key) => keyOf(bells.kind, key));

const decideMessage = (before: Counter | undefined, { kind, digit, x, other }: Body, { id, now, also }: Context): Decision<Counter> => {
  const old = before ?? START;
  const counted = { ...old, sum: old.sum + digit, count: old.count + 1, trail: [...old.trail, digit] };
  const say = (said: Omit<Said, 'by'>): Output[] => [{ subject: `out.${id}`, body: { by: digit, ...said } satisfies Said }];
  const add = { outcome: 'done' as const, state: counted, publish: say({ sum: counted.sum }) };
  switch (kind) {
    case 'add':
      return add;
    case 'big':
      return { ...add, publish: say({ sum: counted.sum, pad: 'x'.repeat(70_000) }) };
    case 'quiet':
      return { outcome: 'done', state: counted };
    case 'gated':
      return old.count % 2 === 0 ? { outcome: 'done' } : add;
    case 'say':
      return { outcome: 'done', publish: say({ count: old.count }) };
    case 'wait':
      if (old.count >= 2) return add;
      return { outcome: 'retry', afterMs: 100 + Math.round(x * 500), reason: { code: 'early', message: 'the count is below two' } };
    case 'alarm': {
      const due = now + Math.round(x * 3000);
      return { outcome: 'done', state: { ...counted, alarm: { due, digit } }, wakeAt: due };
    }
    case 'both': {
      const there = also(counters, other) ?? START;
      return { ...add, also: { [keyOf('counter', other)]: { ...there, side: there.side + digit } } };
    }
    case 'wind': {
      const { wound, rung } = also(bells, other) ?? STILL;
      return { ...add, also: { [keyOf(bells.kind, other)]: { wound: [...wound, { due: now + Math.round(x * 3000), digit }], rung } } };
    }
    case 'refused':
      return { outcome: 'deadLetter', reason: { code: 'refused', message: 'refused by the function' } };
    default:
      throw new Error('poison');
  }
};

/** An alarm acts once; an early or a stray one only says which alarm is still wanted. */
const ring = (before: Counter | undefined, id: string, now: number): Decision<Counter> => {
  const alarm = before?.alarm;
  if (!before || !alarm || now < alarm.due) return { outcome: 'done', wakeAt: alarm?.due ?? null };
  const rung = before.rung + alarm.digit;
  return {
    outcome: 'done',
    state: { ...before, rung, alarm: null },
    wakeAt: null,
    publish: [{ subject: `out.${id}`, body: { by: alarm.digit, rung } }],
  };
};

export const bellSpec = defineEntity<Bell, Message>({
  of: bells,
  accepts: [],
  id: () => '',
  decide: (before, event, { now }) => {
    const due = before?.wound.filter((one) => one.due <= now) ?? [];
    if (!before || due.length === 0 || event.message !== 'alarm') return { outcome: 'done' };
    const rung = due.reduce((sum, { digit }) => sum + digit, before.rung);
    return { outcome: 'done', state: { wound: before.wound.filter((one) => !due.includes(one)), rung } };
  },
});

export type Hooks = {
  /** May throw. */
  beforeDecide(): void;
  decided(recordId: string, isNoop: boolean): void;
};

export const counterSpec = ({ beforeDecide, decided }: Hooks) =>
  defineEntity<Counter, Message, unknown, boolean>({
    of: counters,
    accepts: [fromStream, fromCore],
    id: (event) => event.params.key,
    also: (_state, event) => (event.message !== 'alarm' && event.body.kind === 'both' ? [keyOf('counter', event.body.other)] : []),
    read: async (events) => events.some((event) => event.message !== 'alarm' && event.body.kind === 'wind'),
    shared: (isAnyWound) => (isAnyWound ? BELLS : []),
    // Some only say so: a wrong guess costs a write, and nothing else.
    begins: (event) => event.body.x < 0.3,
    decide: (before, event, context) => {
      beforeDecide();
      if (event.message === 'alarm') return ring(before, context.id, context.now);
      const decision = decideMessage(before, event.body, context);
      decided(context.recordId, decision.outcome === 'done' && Object.keys(decision).length === 1);
      return decision;
    },
  });
