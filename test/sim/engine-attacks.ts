/** The engine's rules (docs/protocol.md, "The engine"), each switched off. */
import type { Answer } from '#shared/contract.ts';
import { find, isPassed } from '#shared/entity/applied.ts';
import { makeEntry } from '#shared/entity/outbox.ts';
import type { Store } from '#shared/entity/store.ts';
import { toWorking } from '#shared/entity/working.ts';
import { crashes, disguised, invoking, type NamedAttack, once, storing } from './attack.ts';

const withoutCreation = (text: string): string => text.replace(/^EVENTS@\d+/, 'EVENTS');

export const engineAttacks: NamedAttack[] = [
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
      ...invoking((invoke, batch) => invoke({ ...batch, consumer: withoutCreation(batch.consumer) })),
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
    rule: 'engine 4',
    without: 'the look where a guess wrote nothing',
    focus: {
      faults: ['the consumer is reset', 'the consumer loses its state', ...crashes],
      kinds: ['gated', 'quiet'],
      keys: ['a'],
      core: 0,
    },
    instead: {
      toWorking: (...args) =>
        Object.defineProperty(toWorking(...(args as Parameters<typeof toWorking>)), 'guessed', { get: () => false, set: () => undefined }),
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
          const answer = (await invoke(batch)) as Answer;
          return { ...answer, timers: answer.timers?.filter(({ key, version }) => !before.has(`${key} ${version}`)) };
        }),
      };
    },
  },
  {
    rule: 'engine 7',
    without: 'alarms of others that the record moved',
    focus: { faults: crashes, kinds: ['wind'], core: 0 },
    instead: {
      makeEntry: ({ alarms: _, ...at }, ...more) =>
        makeEntry(at, ...(more as [Parameters<typeof makeEntry>[1], Parameters<typeof makeEntry>[2]])),
    },
  },
  {
    rule: 'engine 7',
    without: 'the due time in an alarm’s now',
    focus: { faults: [], kinds: ['alarm'], core: 0, keys: ['a'], messages: 4, skew: { bridge: 0, function: -5000 } },
    attack: () =>
      invoking((invoke, batch) => {
        if (!batch.binding.endsWith('.alarms')) return invoke(batch);
        return invoke({
          ...batch,
          Records: batch.Records.map((record) => ({ ...record, data: '{"due":"1970-01-01T00:00:00.000Z"}' })),
        });
      }),
  },
  {
    rule: 'engine 8',
    without: 'the deadline',
    focus: { faults: ['the function is slow', 'the function is slow', 'a write is slow'], kinds: ['gated', 'add'], keys: ['a'], core: 0 },
    attack: () => invoking((invoke, batch) => invoke({ ...batch, deadline: '2100-01-01T00:00:00.000Z' })),
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
