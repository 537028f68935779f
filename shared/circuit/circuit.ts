/**
 * The circuit of a service, for whoever reads it (`Reader`): whether the service may be called. Plain data, so that it can be
 * stored and restored. Only circuit-breaker writes it. Pure.
 */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import { responseSchema } from './response.ts';

export const CIRCUIT_STATES = ['closed', 'open', 'half-open'] as const;

const count = z.int().min(0);

const circuitSchema = z.object({
  state: z.enum(CIRCUIT_STATES),
  /** Grows with every change; what belongs to another epoch is late. */
  epoch: count,
  /** Half-open: so many calls the whole fleet may try in this epoch; otherwise 0. */
  permits: count,
  /** Open: until when, epoch ms; null: until somebody changes it, or not open. */
  until: z.number().nullable(),
  /** Since when, epoch ms. */
  since: z.number(),
  reason: z.string(),
  /** An operator set it: only an operator moves it. */
  forced: z.boolean(),
  /** How often it opened since it was last closed. */
  openings: count,
  /** Half-open: how often it gave new permits because no probe was reported. Probes of all these epochs count. */
  renewals: count,
  /** Failures since the last success. */
  failuresInARow: count,
  /** One row a second that had calls, oldest first: epoch second, calls, failures, slow calls. Half-open: the probes. */
  buckets: z.array(z.tuple([z.number(), count, count, count])),
  /** The pace of a service in whose window nothing failed and nothing was slow: calls a second, measured `at`, epoch ms. */
  pace: z.object({ at: z.number(), perSecond: z.number().min(0) }).nullable(),
  /** How long its calls take. While all goes well it is of the batch that the pace is of. */
  response: responseSchema.exactOptional(),
});

export type Circuit = z.infer<typeof circuitSchema>;
export type CircuitState = Circuit['state'];

const KEEP_MS = 7 * 24 * 3_600_000;

export const circuitKind: Kind<Circuit> = {
  kind: 'circuit',
  schema: circuitSchema,
  version: 1,
  // A closed circuit that nobody reports to is a circuit that nobody has.
  expiresAt: ({ state, forced, since, pace, buckets }) =>
    state === 'closed' && !forced ? Math.max(since, pace?.at ?? 0, (buckets.at(-1)?.[0] ?? 0) * 1000) + KEEP_MS : undefined,
  lookup: () => 'circuit',
};

export const newCircuit = (now: number): Circuit => ({
  state: 'closed',
  epoch: 0,
  permits: 0,
  until: null,
  since: now,
  reason: 'new',
  forced: false,
  openings: 0,
  renewals: 0,
  failuresInARow: 0,
  buckets: [],
  pace: null,
});
