/**
 * Which records of a consumer are already in the state (protocol, engine rules 1, 2 and 9). Pure.
 *
 * A record is named by sequence and timestamp, because a stream that lost its tail uses sequences again.
 */
import type { BatchRecord, Floor } from '#shared/contract.ts';

/** Sequence and timestamp (epoch ms) of a record. */
export type Position = { sequence: number; timestamp: number };

export type Applied = {
  floor: { sequence: number; asOf: number; from?: number };
  /** `[sequence, timestamp]`, and a third 1 for a tombstone, of what lies above the floor and is settled here. */
  above: ([number, number] | [number, number, 1])[];
};

/** From the record's id, which ends with its timestamp. */
export const positionOf = ({ id, sequence }: BatchRecord): Position => ({ sequence, timestamp: Number(id.slice(id.lastIndexOf(':') + 1)) });

export const parseFloor = ({ asOf, ...floor }: Floor): Applied['floor'] => ({ ...floor, asOf: Date.parse(asOf) });

export const isPassed = (floor: Applied['floor'], at: Position): boolean =>
  at.sequence <= floor.sequence && at.timestamp <= floor.asOf && at.sequence >= firstOf(floor);

const firstOf = ({ from = 1 }: Applied['floor']): number => from;

export const find = (applied: Applied, at: Position): 'applied' | 'tombstone' | 'unknown' => {
  for (const [sequence, timestamp, tombstone] of applied.above)
    if (sequence === at.sequence && timestamp === at.timestamp) return tombstone ? 'tombstone' : 'applied';
  return 'unknown';
};

/** The highest sequence of what is settled: a record above it need not be looked for. */
export const highest = ({ floor, above }: Applied): number => above.reduce((max, [sequence]) => Math.max(max, sequence), floor.sequence);

/**
 * Moves the floor and forgets what it passes. A floor that is not ahead in both sequence and time, or that begins beyond the
 * stored one, is left alone: the stored one covers records that the other does not.
 */
export const raiseFloor = (applied: Applied, floor: Applied['floor']): Applied => {
  const ahead = floor.sequence >= applied.floor.sequence && floor.asOf >= applied.floor.asOf && !isGap(applied.floor, floor);
  if (!ahead) return applied;
  return {
    floor: joinFloors(applied.floor, floor),
    above: applied.above.filter(([sequence, timestamp]) => !isPassed(floor, { sequence, timestamp })),
  };
};

/** Whether there are records between what two floors cover. */
const isGap = (earlier: Applied['floor'], later: Applied['floor']): boolean =>
  earlier.sequence >= firstOf(earlier) && earlier.sequence + 1 < firstOf(later);

/** The later floor, from where the earlier one begins if there is no gap. */
export const joinFloors = (earlier: Applied['floor'], later: Applied['floor']): Applied['floor'] => {
  if (firstOf(earlier) >= firstOf(later) || earlier.sequence + 1 < firstOf(later)) return later;
  const { from: _, ...floor } = later;
  return earlier.from === undefined ? floor : { ...floor, from: earlier.from };
};

/** Whether a newer epoch's floor says all that is known of an older epoch. What a reset skipped lies between them, and is not said. */
export const isCovered = ({ floor: older, above }: Applied, newer: Applied['floor']): boolean =>
  !isGap(older, newer) &&
  (older.sequence < firstOf(older) || (older.sequence <= newer.sequence && older.asOf <= newer.asOf)) &&
  above.every(([sequence, timestamp]) => isPassed(newer, { sequence, timestamp }));

/** In place: a batch may record thousands. */
export const record = (applied: Applied, at: Position, tombstone: boolean): void => {
  applied.above.push(tombstone ? [at.sequence, at.timestamp, 1] : [at.sequence, at.timestamp]);
};
