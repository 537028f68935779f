/** The dispatcher's world in a test's hands: what it delivers, what the function answers, what the publisher does. */

import type { InHand } from '#infra/bridge/control/in-hand.ts';
import { createDispatcher } from '#infra/bridge/dispatch/dispatcher.ts';
import type { Binding, FunctionEntry } from '#infra/bridge/manifest/manifest.ts';
import type { BridgeMetrics } from '#infra/bridge/observe/metrics.ts';
import type { Delivery, Outgoing, Publisher, Source } from '#infra/bridge/ports/ports.ts';
import type { Answer, Batch, BatchRecord, Floor, Timer } from '#shared/contract.ts';
import { type VirtualTime, virtualTime } from '#test/sim/virtual-time.ts';

const nothing = Object.assign(() => noMetrics, { inc() {}, observe() {}, set() {}, watch: () => () => {}, labels: () => nothing });
/** Counts nothing, cheaply: each of its fields is any metric, and makes the handle of a binding or function. */
export const noMetrics = new Proxy({}, { get: () => nothing }) as BridgeMetrics;

/** Notes of what is in hand, as the bucket keeps them. */
export const memoryInHand = (notes = new Map<string, { record: string; deaths: number }>()): InHand => ({
  take: async (binding, record) => {
    const before = notes.get(binding);
    const deaths = before?.record === record ? before.deaths + 1 : 0;
    notes.set(binding, { record, deaths });
    return deaths;
  },
  release: async (binding) => void notes.delete(binding),
});

export const aBinding = (over: Partial<Binding> = {}): Binding => ({
  name: 'fn.events',
  function: 'fn',
  source: { kind: 'jetstream', stream: 'EVENTS', subjects: ['in.>'] },
  batchSize: 10,
  batchWindow: 0,
  groupBy: { tokens: [2] },
  retry: { attempts: 3, backoff: [1000, 5000], maxAge: 3_600_000 },
  ...over,
});

export const aFunction = (over: Partial<FunctionEntry> = {}): FunctionEntry => ({
  name: 'fn',
  handler: { module: 'none', export: 'none' },
  timeout: 1000,
  concurrency: 1,
  environment: {},
  publishes: ['out.>'],
  own: false,
  bindings: [],
  ...over,
});

export const aRecord = (sequence: number, over: Partial<BatchRecord> = {}): BatchRecord => ({
  id: `EVENTS@1:${sequence}:${1000 + sequence}`,
  subject: 'in.a',
  data: '{}',
  encoding: 'utf8',
  headers: {},
  sequence,
  deliveries: 1,
  timestamp: new Date(Date.UTC(2026, 0, 1)).toISOString(),
  ...over,
});

export const anAnswer = (over: Partial<Answer> = {}): Answer => ({ batchItemFailures: [], publish: [], timers: [], ...over });

export type FakeWorld = ReturnType<typeof fakeWorld>;

/** A dispatcher with one binding. `said` is what it told the source, in order: `1 ack`, `2 nak 1000`. */
export const fakeWorld = (
  over: {
    fn?: Partial<FunctionEntry>;
    binding?: Partial<Binding>;
    eventSource?: Source['eventSource'];
    time?: VirtualTime;
    inHand?: InHand;
  } = {},
) => {
  const time = over.time ?? virtualTime();
  const said: string[] = [];
  const batches: Batch[] = [];
  const published: Outgoing[] = [];
  const timers: Timer[] = [];
  const replies: unknown[] = [];
  const log: string[] = [];
  const eventSource = over.eventSource ?? 'nats:jetstream';
  let sink: Parameters<Source['start']>[0] | undefined;
  const world = {
    consumer: eventSource === 'nats:jetstream' ? 'EVENTS@1/fn_events.1' : 'core@1/fn.events.b1',
    answer: async (_batch: Batch): Promise<unknown> => anAnswer(),
    floor: async (): Promise<Floor> => ({ sequence: 0, asOf: new Date(time.now()).toISOString() }),
    publish: async (_messages: readonly Outgoing[]): Promise<void> => {},
    setTimers: async (_timers: readonly Timer[]): Promise<void> => {},
  };
  const publisher: Publisher = {
    publish: async (messages) => {
      await world.publish(messages);
      published.push(...messages);
    },
    setTimers: async (_name, wanted) => {
      await world.setTimers(wanted);
      timers.push(...wanted);
    },
    maxBytes: () => 1_000_000,
  };
  const source: Source = {
    eventSource,
    get consumer() {
      return world.consumer;
    },
    ...(eventSource === 'nats:jetstream' && { ackWait: 5000 }),
    start: (to) => {
      sink = to;
    },
    readFloor: () => world.floor(),
    stop: async () => void said.push('stop'),
  };
  const invoker = {
    invoke: (_name: string, batch: Batch) => {
      batches.push(batch);
      return world.answer(batch);
    },
  };
  const options = {
    invoker,
    publisher,
    clock: time.clock(),
    random: () => 0,
    writeMargin: 500,
    inHand: over.inHand ?? memoryInHand(),
    elsewhere: async () => ({}),
    metrics: noMetrics,
  };
  const dispatcher = createDispatcher({ ...options, fn: aFunction(over.fn), log: (sentence) => log.push(sentence) });
  dispatcher.attach(aBinding(over.binding), source);

  const deliver = (...records: BatchRecord[]) => {
    for (const record of records) {
      const say = (what: string) => void said.push(`${record.sequence} ${what}`);
      const delivery: Delivery = {
        record,
        bytes: record.data.length,
        receivedAt: time.now(),
        ack: () => say('ack'),
        nak: (ms) => say(`nak ${ms}`),
        working: () => say('working'),
        ...(eventSource === 'nats:request' && { respond: (answer) => void replies.push(answer) }),
      };
      sink?.deliver(delivery);
    }
  };

  return Object.assign(world, {
    time,
    said,
    batches,
    published,
    timers,
    replies,
    log,
    dispatcher,
    deliver,
    room: () => sink?.room() ?? 0,
    /** What the function was asked, in short: sequences, `settle` in front where it was one. */
    asked: () => batches.map((batch) => [...(batch.settle ? ['settle'] : []), ...batch.Records.map((record) => record.sequence)].join(' ')),
  });
};
