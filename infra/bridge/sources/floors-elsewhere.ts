/**
 * The floors of consumers that another bridge pulls from: those of a function's other partitions. The sweep, which comes with
 * the alarms, needs to know what they have confirmed.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { Clock } from '#shared/clock.ts';
import type { Floor } from '#shared/contract.ts';
import type { Binding } from '../manifest/manifest.ts';
import { durableName } from '../ports/record.ts';
import { findConsumer, floorOf, identityOf } from './durable-consumer.ts';
import { originOf } from './start-position.ts';

const AGE_MS = 1000;

/** By consumer identity, at most a second old. What cannot be read is left out: its outputs are answered once more. */
export const floorsElsewhere = (
  manager: JetStreamManager,
  bindings: readonly Binding[],
  clock: Clock,
): (() => Promise<Record<string, Floor>>) => {
  let known: Promise<Record<string, Floor>> = Promise.resolve({});
  let readAt = Number.NEGATIVE_INFINITY;
  const read = async (): Promise<Record<string, Floor>> =>
    Object.assign({}, ...(await Promise.all(bindings.map((binding) => floorAt(manager, binding).catch(() => ({}))))));
  return () => {
    if (bindings.length > 0 && clock.now() - readAt > AGE_MS) {
      readAt = clock.now();
      known = read();
    }
    return known;
  };
};

const floorAt = async (manager: JetStreamManager, { name, source }: Binding): Promise<Record<string, Floor>> => {
  if (source.kind !== 'jetstream') return {};
  const durable = durableName(name);
  const [stream, info] = await Promise.all([
    manager.streams.info(source.stream),
    findConsumer(manager, { stream: source.stream, durable }),
  ]);
  if (!info) return {};
  return { [identityOf(originOf(stream), info)]: floorOf(info) };
};
