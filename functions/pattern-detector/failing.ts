/**
 * Who failed within the window, and how often: counts in slots of time, as a storm is too many failures to list. A slot is counted
 * while it begins within the window, and gone (part of the agent's rate) only when it ends before it: nothing is both, and an agent is
 * never said to have failed more often than it did. An agent's first slot begins with its first failure. Pure.
 */
import * as z from 'zod';

/** Short, as there may be many. */
const failingSchema = z.tuple([
  z.string(),
  /** When the first slot begins, epoch ms. */
  z.number(),
  /** Failures by slot. */
  z.array(z.number()),
  /** The slot in which it was last not heard of; null: it failed in other ways. */
  z.number().nullable(),
  /** Its zone. */
  z.string().nullable(),
]);
export type Failing = z.infer<typeof failingSchema>;

/** In the order of their first failures. */
export const fleetSchema = z.array(failingSchema);

/** Failures of an agent that are older than the window. */
export type Gone = { agent: string; at: number; failures: number };

const SLOTS = 12;
export const slotOf = (windowMs: number): number => Math.ceil(windowMs / SLOTS);

const ordered = (fleet: Failing[]): Failing[] =>
  fleet.every(([, from], n) => n === 0 || (fleet[n - 1] as Failing)[1] <= from) ? fleet : fleet.sort(([, a], [, b]) => a - b);

/** Without the slots that end before `limit`, epoch ms. */
export const aged = (fleet: Failing[], limit: number, slotMs: number): { fleet: Failing[]; gone: Gone[] } => {
  if (fleet.every(([, from]) => from + slotMs > limit)) return { fleet, gone: [] };
  const gone: Gone[] = [];
  const kept: Failing[] = [];
  for (const one of fleet) {
    const [agent, from, counts, silent, zone] = one;
    const over = Math.floor((limit - from) / slotMs);
    const first = counts.findIndex((failures, n) => n >= over && failures > 0);
    const left = first === -1 ? counts.length : first;
    for (const [n, failures] of counts.slice(0, left).entries()) if (failures > 0) gone.push({ agent, at: from + n * slotMs, failures });
    if (left === 0) kept.push(one);
    else if (first !== -1)
      kept.push([agent, from + left * slotMs, counts.slice(left), silent === null || silent < left ? null : silent - left, zone]);
  }
  return { fleet: ordered(kept), gone };
};

/** With one more failure. */
export const counted = (
  fleet: readonly Failing[],
  { agent, at, silent }: { agent: string; at: number; silent: boolean },
  zone: string | null,
  slotMs: number,
): Failing[] => {
  const place = fleet.findIndex(([id]) => id === agent);
  const before = fleet[place];
  if (!before) return ordered([...fleet, [agent, at, [1], silent ? 0 : null, zone]]);
  const [, from, counts, silentIn] = before;
  // Failures may come in another order than they were sent in.
  const earlier = Math.max(Math.ceil((from - at) / slotMs), 0);
  const start = from - earlier * slotMs;
  const slot = Math.floor((at - start) / slotMs);
  const all = [...Array(earlier).fill(0), ...counts, ...Array(Math.max(slot - counts.length + 1, 0)).fill(0)];
  all[slot]++;
  const shifted = silentIn === null ? null : silentIn + earlier;
  const after: Failing = [agent, start, all, silent ? Math.max(slot, shifted ?? 0) : shifted, zone];
  const fleetAfter = fleet.with(place, after);
  return earlier > 0 ? ordered(fleetAfter) : fleetAfter;
};

/** Room for `most`: first go those whose failures are told already, then who failed least, of them the last that came. */
export const fitting = (fleet: Failing[], most: number, told: () => ReadonlySet<string>): Failing[] => {
  if (fleet.length <= most) return fleet;
  const known = told();
  const weights = fleet.map(([id, , counts]) => (known.has(id) ? 0 : sum(counts)));
  const out = weights.lastIndexOf(Math.min(...weights));
  return fleet.toSpliced(out, 1);
};

export const failuresOf = (fleet: readonly Failing[]): number => sum(fleet.map(([, , counts]) => sum(counts)));

const sum = (counts: readonly number[]): number => counts.reduce((all, failures) => all + failures, 0);

/** How often an agent failed since `limit`, and from when on. */
export const failuresSince = ([, from, counts]: Failing, limit: number, slotMs: number): { failures: number; since: number } => {
  const first = counts.findIndex((failures, n) => failures > 0 && from + n * slotMs >= limit);
  return first === -1 ? { failures: 0, since: from } : { failures: sum(counts.slice(first)), since: from + first * slotMs };
};

export const failedSince = ([, from, counts]: Failing, limit: number, slotMs: number): boolean =>
  from + (counts.length - 1) * slotMs >= limit;

export const silentSince = ([, from, , silent]: Failing, limit: number, slotMs: number): boolean =>
  silent !== null && from + silent * slotMs >= limit;
