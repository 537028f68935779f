/** The engine on a table in memory. A record carries what `decide` does with it, so that a test says both in one line. */
import * as z from 'zod';
import type { Batch, BatchRecord } from '#shared/contract.ts';
import { runBatch } from '#shared/entity/engine.ts';
import type { Alarm, AnySpec, Context, Decision } from '#shared/entity/entity.ts';
import type { EntityKey } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import type { Work } from '#shared/entity/run.ts';
import type { Item, Store } from '#shared/entity/store.ts';
import { memoryStore } from '#test/sim/memory-store.ts';
import { virtualTime } from '#test/sim/virtual-time.ts';

export type Counter = { sum: number };
type Then = (state: Counter | undefined, context: Context) => Decision<Counter>;
type Event = { message: 'do'; then: Then; also?: EntityKey[]; needsChildren?: boolean } | Alarm;

export const counters: Kind<Counter> = { kind: 'counter', schema: z.object({ sum: z.number() }), version: 1 };

/** Adds, and publishes the new sum. */
export const add =
  (amount: number): Then =>
  (state) => {
    const sum = (state?.sum ?? 0) + amount;
    return { outcome: 'done', state: { sum }, publish: [{ subject: 'out.a', body: { sum } }] };
  };

export const nothing: Then = () => ({ outcome: 'done' });

export const START = Date.UTC(2026, 0, 1);
let invocations = 0;
const isoAt = (ms: number) => new Date(START + ms).toISOString();

type Over = { kind?: Kind<Counter>; store?: Store; spec?: Pick<AnySpec, 'read' | 'shared' | 'begins'> };

export const engineWorld = (over: Over = {}) => {
  const time = virtualTime(START);
  const { kind = counters, store = memoryStore({ clock: time.clock() }) } = over;
  let writes = 0;
  const loaded: EntityKey[] = [];
  const counting: Store = {
    ...store,
    load: (keys) => {
      loaded.push(...keys);
      return store.load(keys);
    },
    write: (units) => {
      writes++;
      return store.write(units);
    },
  };
  const spec: AnySpec = {
    of: kind,
    accepts: [],
    id: () => '',
    decide: (state, event: Event, context) =>
      event.message === 'alarm'
        ? { outcome: 'done', state: { sum: context.now }, wakeAt: null }
        : (event as Exclude<Event, Alarm>).then(state, context),
    also: (_state, event: Event) => (event.message === 'do' && event.also) || [],
    needsChildren: (_state, event: Event) => event.message === 'do' && event.needsChildren === true,
    ...over.spec,
  };

  const aWork = (sequence: number, event: Event, id = 'a', over: Partial<BatchRecord> = {}): Work => ({
    record: {
      id: `EVENTS@1:${sequence}:${START + sequence}`,
      subject: `in.${id}`,
      data: '{}',
      encoding: 'utf8',
      headers: {},
      sequence,
      deliveries: 1,
      timestamp: isoAt(sequence),
      ...over,
    },
    spec,
    key: `counter#${id}`,
    event,
  });

  return {
    time,
    store: counting,
    writes: () => writes,
    /** Keys that the engine loaded, in order. */
    loaded,
    /** A record about counter `id` whose decision is `then`. */
    work: (sequence: number, then: Then, id = 'a', extra: { also?: EntityKey[]; needsChildren?: boolean } & Partial<BatchRecord> = {}) => {
      const { also, needsChildren, ...record } = extra;
      return aWork(sequence, { message: 'do', then, ...(also && { also }), ...(needsChildren && { needsChildren }) }, id, record);
    },
    alarm: (sequence: number, due: number, id = 'a') => aWork(sequence, { message: 'alarm', due, key: `counter#${id}` }, id),
    /** Runs a batch to its end in virtual time; outcomes by sequence. */
    run: async (works: Work[], over: Partial<Batch> = {}, invocation = `invocation-${++invocations}`) => {
      const batch: Batch = {
        eventSource: 'nats:jetstream',
        binding: 'fn.events',
        consumer: 'EVENTS@1/fn_events.1',
        floor: { sequence: 0, asOf: isoAt(0) },
        deadline: isoAt(60_000),
        Records: works.map(({ record }) => record),
        ...over,
      };
      const engine = { store: counting, clock: time.clock(), random: () => 0.5, settings: {}, kinds: [] };
      let answer: Awaited<ReturnType<typeof runBatch>> | undefined;
      const running = runBatch(engine, batch, works, invocation).then((value) => {
        answer = value;
      });
      await time.runUntil(() => answer !== undefined, 600_000);
      await running;
      if (!answer) throw new Error('the engine did not answer');
      const { outcomes, carried, timers } = answer;
      return { outcome: Object.fromEntries(works.map(({ record }) => [record.sequence, outcomes.get(record.id)])), carried, timers };
    },
    item: async (id = 'a'): Promise<Item | undefined> => (await store.load([`counter#${id}`])).get(`counter#${id}`),
    floor: (sequence: number, ms = sequence) => ({ sequence, asOf: isoAt(ms) }),
  };
};
