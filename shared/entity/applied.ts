/**
 * Which records of a consumer are already in the state (protocol, engine rules 1, 2 and 9). Pure.
 *
 * A record is named by sequence and timestamp, because a stream that lost its tail uses sequences again.
 */
import type { BatchRecord, Floor } from '#shared/contract.ts';

/** Sequence and timestamp (epoch ms) of a record. */
export type Position = { sequence: number; timestamp: number };

export type Applied = {
  floor: { sequence: number; asOf: number };
  /** `[sequence, timestamp]`, and a third 1 for a tombstone, of what lies above the floor and is settled here. */
  above: ([number, number] | [number, number, 1])[];
};

/** From the record's id, which ends with its timestamp. */
export const positionOf = ({ id, sequence }: BatchRecord): Position => ({ sequence, timestamp: Number(id.slice(id.lastIndexOf(':') + 1)) });

export const parseFloor = (floor: Floor): Applied['floor'] => ({ sequence: floor.sequence, asOf: Date.parse(floor.asOf) });

export const isPassed = (floor: Applied['floor'], at: Position): boolean => at.sequence <= floor.sequence && at.timestamp <= floor.asOf;

export const find = (applied: Applied, at: Position): 'applied' | 'tombstone' | 'unknown' => {
  for (const [sequence, timestamp, tombstone] of applied.above)
    if (sequence === at.sequence && timestamp === at.timestamp) return tombstone ? 'tombstone' : 'applied';
  return 'unknown';
};

/** The highest sequence of what is settled: a record above it need not be looked for. */
export const highest = ({ floor, above }: Applied): number => above.reduce((max, [sequence]) => Math.max(max, sequence), floor.sequence);

/**
 * Moves the floor and forgets what it passes. A floor that is not ahead in both sequence and time is left alone: the
 * stored one covers records that the other does not.
 */
export const raiseFloor = (applied: Applied, floor: Applied['floor']): Applied => {
  const ahead = floor.sequence >= applied.floor.sequence && floor.asOf >= applied.floor.asOf;
  if (!ahead) return applied;
  return { floor, above: applied.above.filter(([sequence, timestamp]) => !isPassed(floor, { sequence, timestamp })) };
};

/** In place: a batch may record thousands. */
export const record = (applied: Applied, at: Position, tombstone: boolean): void => {
  applied.above.push(tombstone ? [at.sequence, at.timestamp, 1] : [at.sequence, at.timestamp]);
};
