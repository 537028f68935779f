/**
 * What samples and time make of what is measured. Pure.
 *
 * A sample goes to the 10 s in which it was measured. A minute closes 20 s after its end: its 10 s buckets and their sum leave
 * the state, and the sum goes to the hour, which closes likewise. A sample that is too late for its minute goes to its hour;
 * one that is too late for that is counted as late. Time is what the samples' own arrival says, so that a backlog is rolled up
 * as if it had been heard in time.
 */
import { type Figures, follow } from '#shared/metrics/figures.ts';
import { floorTo, type Measured, type Resolution, SIZE_MS } from '#shared/metrics/measured.ts';
import { type Bucket, mergeBuckets, mergeRollups, rollupOf } from '#shared/metrics/rollup.ts';
import type { Sample } from './samples.ts';

const SLOT_MS = SIZE_MS['10s'];
const MINUTE_MS = SIZE_MS['1m'];
const HOUR_MS = SIZE_MS['1h'];

/** How long after its end a minute or an hour takes samples. */
export const GRACE_MS = 20_000;
/** An alarm comes so much later: while samples come, their own writes close what is over. */
const ALARM_AFTER_MS = GRACE_MS + 15_000;

/** The state has to fit an item, with each metric at its worst: eight buckets of 10 s and the hour. */
export const MAX_METRICS = 40;
const MAX_MAGNITUDE = 1e100;

export const NOTHING_MEASURED: Measured = { heard: 0, open: [], hour: null, latest: {}, late: 0, refused: 0 };

/** Buckets of a child. */
export type Closed = { resolution: Resolution; start: number; buckets: Bucket[] };

const minuteOf = ({ start }: Bucket): number => floorTo(start, MINUTE_MS);

/** Closes what is over at `time`, epoch ms. */
export const close = (measured: Measured, time: number): { after: Measured; closed: Closed[] } => {
  const isOver = (bucket: Bucket) => minuteOf(bucket) + MINUTE_MS + GRACE_MS <= time;
  const closed: Closed[] = [];
  let { hour } = measured;
  const closeHour = () => {
    if (hour) closed.push({ resolution: '1h', start: hour.start, buckets: [hour] });
    hour = null;
  };
  const minutes = Map.groupBy(measured.open.filter(isOver), minuteOf);
  for (const [start, buckets] of [...minutes].sort(([a], [b]) => a - b)) {
    const minute = mergeBuckets(start, buckets);
    closed.push({ resolution: '10s', start, buckets: buckets.toSorted((a, b) => a.start - b.start) });
    closed.push({ resolution: '1m', start, buckets: [minute] });
    const itsHour = floorTo(start, HOUR_MS);
    if (hour && hour.start !== itsHour) closeHour();
    hour = mergeBuckets(itsHour, hour ? [hour, minute] : [minute]);
  }
  if (hour && hour.start + HOUR_MS + GRACE_MS <= time) closeHour();
  if (closed.length === 0) return { after: measured, closed };
  return { after: { ...measured, open: measured.open.filter((bucket) => !isOver(bucket)), hour }, closed };
};

/** Takes a sample into what is open at `measured.heard`. */
export const take = (measured: Measured, sample: Sample): Measured => {
  const { metric, value, at } = sample;
  if (Math.abs(value) > MAX_MAGNITUDE || !hasRoom(measured, metric)) return { ...measured, refused: measured.refused + 1 };
  const latest: Figures = follow(measured.latest, metric, value, at);
  const isOpen = (size: number) => floorTo(at, size) + size + GRACE_MS > measured.heard;
  if (isOpen(MINUTE_MS)) {
    const start = floorTo(at, SLOT_MS);
    const bucket = measured.open.find((open) => open.start === start);
    return { ...measured, latest, open: [...measured.open.filter((open) => open !== bucket), add(bucket, start, sample)] };
  }
  const start = floorTo(at, HOUR_MS);
  if (isOpen(HOUR_MS) && (measured.hour ?? { start }).start === start)
    return { ...measured, latest, hour: add(measured.hour ?? undefined, start, sample) };
  return { ...measured, late: measured.late + 1 };
};

const add = (bucket: Bucket | undefined, start: number, { metric, value }: Sample): Bucket => ({
  start,
  rollups: { ...bucket?.rollups, [metric]: mergeRollups(bucket?.rollups[metric], rollupOf(value)) },
});

const hasRoom = ({ open, hour }: Measured, metric: string): boolean => {
  const buckets = hour ? [...open, hour] : open;
  if (buckets.some(({ rollups }) => Object.hasOwn(rollups, metric))) return true;
  return new Set(buckets.flatMap(({ rollups }) => Object.keys(rollups))).size < MAX_METRICS;
};

/** When to close what is open, should nothing more be heard, epoch ms; null: nothing is. */
export const alarmOf = ({ open, hour }: Measured): number | null => {
  const ends = open.map((bucket) => minuteOf(bucket) + MINUTE_MS);
  if (hour) ends.push(hour.start + HOUR_MS);
  return ends.length > 0 ? Math.min(...ends) + ALARM_AFTER_MS : null;
};
