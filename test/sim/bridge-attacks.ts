/** The bridge's rules (docs/protocol.md, "The bridge"), each switched off. */
import { type Outgoing, PublishError } from '#infra/bridge/ports/ports.ts';
import type { Item } from '#shared/entity/store.ts';
import { changed, crashes, disguised, invoking, type NamedAttack, once, publishing, storing } from './attack.ts';

const mapApplied = (item: Item, change: (above: Item['applied'][string]['above']) => Item['applied'][string]['above']): Item => ({
  ...item,
  applied: Object.fromEntries(Object.entries(item.applied).map(([name, { floor, above }]) => [name, { floor, above: change(above) }])),
});

export const bridgeAttacks: NamedAttack[] = [
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
        if (!batch.settle) return invoke(batch);
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
