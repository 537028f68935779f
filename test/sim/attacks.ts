/**
 * Every rule of the protocol switched off, one at a time and from outside: by a wrapper around a port, or by a function of
 * a module in its place (`instead`, which the test installs). A rule that no run breaks without is not implemented.
 */

import { InvokeError, type Invoker, type Outgoing, PublishError, type Publisher, type Source } from '#infra/bridge/ports.ts';
import type { Answer, Batch, BatchRecord } from '#shared/contract.ts';
import { find, isPassed } from '#shared/entity/applied.ts';
import type { Item, Store } from '#shared/entity/store.ts';
import { toWorking } from '#shared/entity/working.ts';
import type { Focus } from './plan.ts';
import type { Attack } from './simulate.ts';

export type NamedAttack = {
  rule: string;
  without: string;
  focus: Focus;
  /** Holds with and without the rule. */
  given?: Attack;
  /** Made anew for every run. */
  attack?: () => Attack;
  /** Functions of modules by name. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever the function takes
  instead?: Record<string, (...args: any[]) => unknown>;
};

// ---- wrappers ---------------------------------------------------------------------------------------------------------

const changed = <T extends object>(of: T, change: Partial<T>): T => Object.create(of, Object.getOwnPropertyDescriptors(change));

const invoking = (change: (invoke: Invoker['invoke'], batch: Batch) => Promise<unknown>): Attack => ({
  invoker: (invoker) => ({ invoke: (name, batch) => change((n, b) => invoker.invoke(n, b), batch).then((answer) => (void name, answer)) }),
});

const publishing = (change: (publisher: Publisher) => Partial<Publisher>): Attack => ({
  publisher: (publisher) => ({ ...publisher, ...change(publisher) }),
});

const storing = (change: (store: Store) => Partial<Store>): Attack => ({ store: (store) => ({ ...store, ...change(store) }) });

const fromEvents = (source: Source): boolean => source.consumer.startsWith('EVENTS');

/** The dispatcher sees records as `disguise` shows them; the function sees them as they are. */
const disguised = (disguise: (record: BatchRecord) => BatchRecord): Attack => {
  const real = new Map<string, BatchRecord>();
  return {
    source: (source) => {
      if (!fromEvents(source)) return source;
      const start: Source['start'] = (sink) =>
        source.start({
          ...sink,
          deliver: (delivery) => {
            const record = disguise(delivery.record);
            real.set(record.id, delivery.record);
            sink.deliver({ ...delivery, record });
          },
        });
      return changed(source, { start });
    },
    ...invoking(async (invoke, batch) => {
      const shown = new Map(batch.Records.map((record) => [real.get(record.id)?.id ?? record.id, record.id]));
      const answer = (await invoke('', { ...batch, Records: batch.Records.map((record) => real.get(record.id) ?? record) })) as Answer;
      const back = (id: string) => shown.get(id) ?? id;
      return {
        ...answer,
        batchItemFailures: answer.batchItemFailures?.map((failure) => ({ ...failure, itemIdentifier: back(failure.itemIdentifier) })),
        tombstoned: answer.tombstoned?.map(back),
      };
    }),
  };
};

const withoutCreation = (text: string): string => text.replace(/^EVENTS@\d+/, 'EVENTS');

const mapApplied = (item: Item, change: (above: Item['applied'][string]['above']) => Item['applied'][string]['above']): Item => ({
  ...item,
  applied: Object.fromEntries(Object.entries(item.applied).map(([name, { floor, above }]) => [name, { floor, above: change(above) }])),
});

const once: Attack = { binding: (binding) => ({ ...binding, retry: { ...binding.retry, attempts: 1 } }) };
const isCore = (batch: Batch): boolean => batch.eventSource === 'nats:core';

// ---- the rules --------------------------------------------------------------------------------------------------------

const crashes = ['the bridge crashes', 'the function crashes', 'the answer is lost', 'an ack is lost'] as const;

const engineAttacks: NamedAttack[] = [
  {
    rule: 'engine 1',
    without: 'the floor',
    focus: { faults: ['the consumer loses its state'], kinds: ['add'], keys: ['a'] },
    instead: { isPassed: () => false },
  },
  {
    rule: 'engine 1',
    without: 'timestamps beside the floor',
    focus: { faults: ['the stream loses its tail', 'the floor read is old'] },
    instead: { isPassed: (floor, at) => isPassed(floor, { ...at, timestamp: 0 }) },
  },
  {
    rule: 'engine 1',
    without: 'timestamps, and the stream’s creation in the identity',
    focus: { faults: ['the stream is made anew'] },
    attack: () => ({
      ...disguised((record) => record),
      ...invoking((invoke, batch) => invoke('', { ...batch, consumer: withoutCreation(batch.consumer) })),
    }),
    instead: { isPassed: (floor, at) => isPassed(floor, { ...at, timestamp: 0 }) },
  },
  { rule: 'engine 2', without: '`above`', focus: { faults: crashes, kinds: ['add', 'quiet'] }, instead: { find: () => 'unknown' } },
  { rule: 'engine 2', without: 'stored outputs', focus: { faults: crashes, kinds: ['add'] }, instead: { readEntry: async () => [] } },
  {
    rule: 'engine 2',
    without: 'the answer that a record is barred',
    focus: { faults: ['a publish fails', 'the bridge crashes', 'a publish is slow'], kinds: ['poison'] },
    given: once,
    instead: { find: (applied, at) => (find(applied, at) === 'tombstone' ? 'applied' : find(applied, at)) },
  },
  {
    rule: 'engine 4',
    without: 'recorded no-ops',
    focus: {
      faults: ['the consumer loses its state', 'the function is slow', 'the bridge crashes'],
      kinds: ['gated', 'add'],
      keys: ['a'],
      core: 0,
    },
    instead: {
      toWorking: (...args) =>
        Object.assign(toWorking(...(args as Parameters<typeof toWorking>)), { noops: Object.assign([], { push: () => 0 }) }),
    },
  },
  {
    rule: 'engine 4',
    without: 'the write of a decision that only publishes',
    focus: { faults: crashes, kinds: ['say', 'add'], keys: ['a'] },
    attack: () => {
      const states = new Map<string, string>();
      return storing((store) => ({
        load: async (keys) => {
          const items = await store.load(keys);
          for (const [key, item] of items) states.set(key, JSON.stringify(item.state));
          return items;
        },
        write: (units) =>
          units.flat().every(({ key, state }) => states.get(key) === JSON.stringify(state))
            ? Promise.resolve(units.map(() => ({ result: 'written' as const })))
            : store.write(units),
      }));
    },
  },
  {
    rule: 'engine 5',
    without: 'the condition of the write',
    focus: { kinds: ['both', 'add'], faults: ['the function is slow', 'a write is slow'] },
    attack: () =>
      storing((store) => ({
        write: async (units) => {
          const items = await store.load(units.flat().map(({ key }) => key));
          return store.write(units.map((unit) => unit.map((item) => ({ ...item, version: (items.get(item.key)?.version ?? 0) + 1 }))));
        },
      })),
  },
  {
    rule: 'engine 5',
    without: 'the failure of records whose write failed',
    focus: { faults: ['a write fails'], kinds: ['add', 'quiet'] },
    attack: () => storing((store) => ({ write: async (units) => (await store.write(units)).map(() => ({ result: 'written' as const })) })),
  },
  {
    rule: 'engine 7',
    without: 'alarms of entities that did not change',
    focus: { faults: crashes, kinds: ['alarm'], core: 0 },
    attack: () => {
      const wrote = new Set<string>();
      return {
        ...storing((store) => ({
          write: (units) => {
            for (const { key, version } of units.flat()) wrote.add(`${key.replace('#', '.')} ${version}`);
            return store.write(units);
          },
        })),
        ...invoking(async (invoke, batch) => {
          const before = new Set(wrote);
          const answer = (await invoke('', batch)) as Answer;
          return { ...answer, timers: answer.timers?.filter(({ key, version }) => !before.has(`${key} ${version}`)) };
        }),
      };
    },
  },
  {
    rule: 'engine 7',
    without: 'the due time in an alarm’s now',
    focus: { faults: [], kinds: ['alarm'], core: 0, keys: ['a'], messages: 4, skew: { bridge: 0, function: -5000 } },
    attack: () =>
      invoking((invoke, batch) => {
        if (!batch.binding.endsWith('.alarms')) return invoke('', batch);
        return invoke('', {
          ...batch,
          Records: batch.Records.map((record) => ({ ...record, data: '{"due":"1970-01-01T00:00:00.000Z"}' })),
        });
      }),
  },
  {
    rule: 'engine 8',
    without: 'the deadline',
    focus: { faults: ['the function is slow', 'the function is slow', 'a write is slow'], kinds: ['gated', 'add'], keys: ['a'], core: 0 },
    attack: () => invoking((invoke, batch) => invoke('', { ...batch, deadline: '2100-01-01T00:00:00.000Z' })),
  },
  { rule: 'engine 9', without: 'the floor in `above`', focus: { core: 0, keys: ['a'] }, instead: { raiseFloor: (applied) => applied } },
  { rule: 'engine 9', without: 'the floor in the outbox', focus: { core: 0, keys: ['a'] }, instead: { confirmedRecords: () => [] } },
  {
    rule: 'engine 9',
    without: 'child items before the item',
    focus: { faults: ['the function crashes'], kinds: ['big'], core: 0, messages: 6 },
    attack: () =>
      storing((store) => {
        let put: Parameters<Store['putChildren']>[0] = [];
        return {
          putChildren: async (children) => {
            put = children;
          },
          write: async (units) => {
            const results = await store.write(units);
            await store.putChildren(put);
            put = [];
            return results;
          },
        };
      }),
  },
];

const bridgeAttacks: NamedAttack[] = [
  {
    rule: 'bridge 1',
    without: 'dropping what is delivered again',
    focus: { faults: ['the consumer loses its state', 'the function is slow'], kinds: ['gated', 'add'], keys: ['a'], core: 0 },
    attack: () => {
      let n = 0;
      return disguised((record) => ({ ...record, id: `${record.id}~${++n}` }));
    },
  },
  {
    rule: 'bridge 2',
    without: 'the wait for deadline and write margin',
    focus: { faults: ['the function is slow', 'the function is slow', 'a write is slow'], kinds: ['gated', 'add'], keys: ['a'], core: 0 },
    attack: () => ({ dispatcher: { writeMargin: -950 } }),
  },
  {
    rule: 'bridge 2',
    without: 'an ack wait that outlasts the invocation',
    focus: { faults: ['the function is slow', 'the bridge crashes'], kinds: ['gated', 'add'], keys: ['a'], core: 0 },
    attack: () => ({ ackWait: 300, source: (source) => changed(source, { ackWait: 0 }) }),
  },
  {
    rule: 'bridge 3',
    without: 'outputs before the ack',
    focus: { faults: ['a publish fails'], kinds: ['add'], core: 0 },
    attack: () => publishing((publisher) => ({ publish: async (messages) => void publisher.publish(messages).catch(() => undefined) })),
  },
  {
    rule: 'bridge 3',
    without: 'alarms before the ack',
    focus: { faults: ['an alarm cannot be set'], kinds: ['alarm'], core: 0 },
    attack: () =>
      publishing((publisher) => ({ setTimers: async (name, timers) => void publisher.setTimers(name, timers).catch(() => undefined) })),
  },
  {
    rule: 'bridge 3',
    without: 'the effect before the ack',
    focus: { faults: crashes, core: 0 },
    attack: () => ({
      source: (source) =>
        changed(source, {
          start: (sink) =>
            source.start({
              ...sink,
              deliver: (delivery) => {
                delivery.ack();
                sink.deliver({ ...delivery, ack() {} });
              },
            }),
        }),
    }),
  },
  {
    rule: 'bridge 4',
    without: 'message ids made of the record',
    focus: { faults: [...crashes, 'a publish lands, its answer is lost'], kinds: ['add'] },
    attack: () => {
      let n = 0;
      const renamed = (message: Outgoing) => (message.subject.startsWith('dlq.') ? message : { ...message, messageId: `${++n}` });
      return publishing((publisher) => ({ publish: (messages) => publisher.publish(messages.map(renamed)) }));
    },
  },
  {
    rule: 'bridge 4',
    without: 'trying again a publish that failed',
    focus: { faults: ['a publish fails'], kinds: ['add'], core: 0 },
    attack: () =>
      publishing((publisher) => ({
        publish: async (messages) =>
          publisher.publish(messages).catch((error) => {
            throw new PublishError(String(error), messages[0]?.subject.startsWith('dlq.') ?? false);
          }),
      })),
  },
  {
    rule: 'bridge 5',
    without: 'versions of alarms',
    focus: {
      faults: ['an alarm is set late', 'the bridge crashes', 'the bridge crashes'],
      kinds: ['alarm', 'quiet'],
      keys: ['a'],
      core: 0,
    },
    attack: () => ({ unguardedTimers: true }),
  },
  {
    rule: 'bridge 6',
    without: 'asking before a dead letter',
    focus: { faults: ['the answer is lost', 'a write lands, its answer is lost'], kinds: ['add'], core: 0 },
    given: once,
    attack: () =>
      invoking(async (invoke, batch) => {
        if (!batch.settle) return invoke('', batch);
        return { batchItemFailures: [], publish: [], timers: [], tombstoned: batch.Records.map(({ id }) => id) };
      }),
  },
  {
    rule: 'bridge 6',
    without: 'tombstones',
    focus: { faults: ['an ack is lost', 'the function throws', 'a decision throws'], kinds: ['add'], core: 0 },
    given: once,
    attack: () =>
      storing((store) => ({
        write: (units) =>
          store.write(units.map((unit) => unit.map((item) => mapApplied(item, (above) => above.filter(([, , tombstone]) => !tombstone))))),
      })),
  },
  {
    rule: 'bridge 7',
    without: 'alarms that are tried for ever',
    focus: { faults: ['the function throws', 'a decision throws', 'a write fails'], kinds: ['alarm'], core: 0 },
    given: once,
    attack: () => ({
      binding: ({ alarms: _, ...binding }) => ({ ...binding, retry: { ...binding.retry, attempts: 1 } }),
    }),
  },
  {
    rule: 'bridge 8',
    without: 'a floor that is never ahead',
    focus: { core: 0 },
    attack: () => ({
      source: (source) =>
        changed(source, {
          readFloor: async () => {
            const { sequence, asOf } = await source.readFloor();
            return { sequence: sequence + 2, asOf };
          },
        }),
    }),
  },
  {
    rule: 'bridge 8',
    without: 'a floor that is read again',
    focus: { core: 0, keys: ['a'] },
    attack: () => ({ source: (source) => changed(source, { readFloor: async () => ({ sequence: 0, asOf: new Date(0).toISOString() }) }) }),
  },
];

const otherAttacks: NamedAttack[] = [
  {
    rule: 'core',
    without: 'the nonce',
    focus: { faults: ['a write is tried again by the SDK'], kinds: ['add', 'quiet'], core: 1 },
    attack: () =>
      storing((store) => ({
        load: async (keys) => new Map([...(await store.load(keys))].map(([key, item]) => [key, { ...item, nonce: '' }])),
      })),
  },
  {
    rule: 'core',
    without: 'never trying again',
    focus: { faults: ['the function crashes', 'a write lands, its answer is lost'], kinds: ['add', 'quiet'], core: 1 },
    attack: () =>
      invoking((invoke, batch) =>
        invoke('', batch).catch((error) => {
          if (isCore(batch) && error instanceof InvokeError) return invoke('', batch);
          throw error;
        }),
      ),
  },
  {
    rule: 'core',
    without: 'asking what a record caused whose answer was lost',
    focus: { faults: ['the answer is lost', 'the function crashes'], kinds: ['add'], core: 1 },
    attack: () =>
      invoking(async (invoke, batch) =>
        batch.settle && isCore(batch) ? { batchItemFailures: [], publish: [], timers: [] } : invoke('', batch),
      ),
  },
  {
    rule: 'core',
    without: 'outputs of a bridge that died',
    focus: { faults: ['the bridge crashes'], kinds: ['add'], core: 1 },
    instead: { orphanedRecords: () => [], overdueRecords: () => [] },
  },
  {
    rule: 'the sweep',
    without: 'outputs that are owed for long',
    focus: { faults: ['the stream is made anew', 'a publish fails', 'the bridge crashes'], kinds: ['add'], core: 0 },
    instead: { overdueRecords: () => [] },
  },
  {
    rule: 'a lost tail',
    without: 'silence about messages whose sequence is used again',
    focus: { faults: ['the stream loses its tail', 'the function is slow', 'the bridge crashes'], core: 0, keys: ['a'] },
    attack: () => disguised((record) => ({ ...record, timestamp: '2026-01-01T00:00:00.000Z' })),
  },
];

export const attacks: NamedAttack[] = [...engineAttacks, ...bridgeAttacks, ...otherAttacks];
