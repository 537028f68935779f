/**
 * Since when a function hears all that is said to it outside of streams. Silence before that is the bridge's own: it was not
 * there, was cut off, or had no room.
 */
import type { Dispatch } from './dispatch.ts';

/** Epoch ms; now while one of its core bindings is not served; undefined for a function without any. */
export const heardSince = ({ fn, attached, clock }: Pick<Dispatch, 'fn' | 'attached' | 'clock'>): number | undefined => {
  // Alarms are with the bindings that have no partition.
  const core = fn.bindings.filter(({ source, partition }) => source.kind === 'core' && partition === undefined);
  if (core.length === 0) return undefined;
  const since = core.map(({ name }) => {
    const of = attached.find((one) => one.name === name && !one.closing);
    return of ? (of.source.heardSince?.() ?? 0) : clock.now();
  });
  return Math.max(...since);
};
