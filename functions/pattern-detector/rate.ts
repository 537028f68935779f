/** How often an agent fails by nature: what was counted, and for how long, the last days most (exponential decay). Pure. */
import * as z from 'zod';
import { countTail } from '#shared/detection/gamma-poisson.ts';

export const rateSchema = z.object({
  events: z.number(),
  /** Windows. */
  exposure: z.number(),
  at: z.number(),
});
export type Rate = z.infer<typeof rateSchema>;

const HALF_LIFE_MS = 24 * 3_600_000;
/** What is believed of an agent that nothing is known of: half a failure in ten windows. */
const PRIOR = { events: 0.5, exposure: 10 };

const digits = (value: number): number => Number(value.toPrecision(4));

export const decayed = (rate: Rate | undefined, at: number, windowMs: number): Rate => {
  if (!rate) return { events: 0, exposure: 0, at };
  const kept = 2 ** (-Math.max(at - rate.at, 0) / HALF_LIFE_MS);
  const passed = ((HALF_LIFE_MS / Math.LN2) * (1 - kept)) / windowMs;
  return { events: digits(rate.events * kept), exposure: digits(rate.exposure * kept + passed), at: Math.max(at, rate.at) };
};

/** How probable so many failures in a window are for this agent. */
export const spikeTail = (count: number, rate: Rate | undefined, at: number, windowMs: number): number => {
  const { events, exposure } = decayed(rate, at, windowMs);
  return countTail(count, { events: events + PRIOR.events, exposure: exposure + PRIOR.exposure });
};
