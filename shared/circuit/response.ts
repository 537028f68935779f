/**
 * How long the calls of a service take: the peak EWMA of Finagle and linkerd. A longer call counts at once, shorter ones bring it
 * down with time, so that a service that has become slow is avoided before many have waited for it. Pure.
 */
import * as z from 'zod';

/** `at`: when it was last heard of, epoch ms. */
export const responseSchema = z.object({ ms: z.number().min(0), at: z.number() });
export type Response = z.infer<typeof responseSchema>;

/** After so long without a call the next one counts for two thirds, as in Finagle. */
const TIME_CONSTANT_MS = 10_000;
/** Without any call half of it is forgotten, so that whoever was slow is tried again. */
const HALF_LIFE_MS = 60_000;

/** Calls that were heard of at the same time: the longest, and their mean, ms. */
export type Durations = { longestMs: number; meanMs: number };

export const follow = (before: Response | undefined, { longestMs, meanMs }: Durations, at: number): Response => {
  if (!before || longestMs >= before.ms) return { ms: longestMs, at: Math.max(at, before?.at ?? 0) };
  if (at <= before.at) return before;
  const weight = 1 - Math.exp((before.at - at) / TIME_CONSTANT_MS);
  return { ms: before.ms + weight * (meanMs - before.ms), at };
};

/** ms, as it is to be expected `now`, epoch ms; undefined: no call was ever timed. */
export const expectedMs = (response: Response | undefined, now: number): number | undefined =>
  response && response.ms * 2 ** (-Math.max(0, now - response.at) / HALF_LIFE_MS);
