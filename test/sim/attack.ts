/**
 * A rule of the protocol switched off from outside: by a wrapper around a port, or by a function of a module in its place.
 */
import type { Publisher, Source } from '#infra/bridge/ports/ports.ts';
import type { Answer, Batch, BatchRecord } from '#shared/contract.ts';
import type { Store } from '#shared/entity/store.ts';
import type { FaultName, Focus } from './plan.ts';
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

export const changed = <T extends object>(of: T, change: Partial<T>): T => Object.create(of, Object.getOwnPropertyDescriptors(change));

/** Stands between the bridge and the function. */
export const invoking = (change: (invoke: (batch: Batch) => Promise<unknown>, batch: Batch) => Promise<unknown>): Attack => ({
  invoker: (invoker) => ({ invoke: (name, batch) => change((asked) => invoker.invoke(name, asked), batch) }),
});

export const publishing = (change: (publisher: Publisher) => Partial<Publisher>): Attack => ({
  publisher: (publisher) => ({ ...publisher, ...change(publisher) }),
});

export const storing = (change: (store: Store) => Partial<Store>): Attack => ({ store: (store) => ({ ...store, ...change(store) }) });

const fromEvents = (source: Source): boolean => source.consumer.startsWith('EVENTS');

/** The dispatcher sees records as `disguise` shows them; the function sees them as they are. */
export const disguised = (disguise: (record: BatchRecord) => BatchRecord): Attack => {
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
      const answer = (await invoke({ ...batch, Records: batch.Records.map((record) => real.get(record.id) ?? record) })) as Answer;
      const back = (id: string) => shown.get(id) ?? id;
      return {
        ...answer,
        batchItemFailures: answer.batchItemFailures?.map((failure) => ({ ...failure, itemIdentifier: back(failure.itemIdentifier) })),
        tombstoned: answer.tombstoned?.map(back),
      };
    }),
  };
};

/** Every failure is the last one. */
export const once: Attack = { binding: (binding) => ({ ...binding, retry: { ...binding.retry, attempts: 1 } }) };

/** What makes a record come again. */
export const crashes: readonly FaultName[] = ['the bridge crashes', 'the function crashes', 'the answer is lost', 'an ack is lost'];
