/** A barrier: the phase at which participants wait, and how the last phases ended. Plain data; times are epoch ms. */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';
import type { Barrier as Arrival } from '#shared/messages/barrier.ts';

/** What tells one phase from another, where its participants say so. */
const nameSchema = z.object({ sync_id: z.string().exactOptional(), phase: z.string().exactOptional() });
export type Name = z.infer<typeof nameSchema>;

const phaseSchema = z.object({
  name: nameSchema,
  arrived: z.array(z.object({ agent: z.string(), at: z.number() })),
  since: z.number(),
  deadline: z.number(),
});

const outcomeSchema = z.object({
  generation: z.number(),
  name: nameSchema,
  status: z.enum(['released', 'broken']),
  parties: z.number().nullable(),
  arrived: z.number(),
  missing: z.array(z.string()).exactOptional(),
  code: z.string().exactOptional(),
  reason: z.string().exactOptional(),
  at: z.number(),
});
export type Outcome = z.infer<typeof outcomeSchema>;

const barrierSchema = z.object({
  /** Phases that have begun. */
  generation: z.number(),
  phase: phaseSchema.nullable(),
  /** As its participants say; null: nobody said. */
  parties: z.number().nullable(),
  /** Who is to come: those that were named, or came to the phase before. */
  expected: z.array(z.string()),
  isNamed: z.boolean(),
  /** Participants that died and did not come again, where the others go on without them. */
  gone: z.array(z.string()),
  onDeath: z.enum(['break', 'reduce']),
  timeout: z.number().nullable(),
  /** The last ones, oldest first. */
  past: z.array(outcomeSchema),
  at: z.number(),
});
export type Barrier = z.infer<typeof barrierSchema>;

/** As long as the stream keeps what is said to it. */
const KEEP_MS = 24 * 3_600_000;
/** By which the barriers are found at which somebody waits. */
export const WAITING = 'barrier.waiting';

export const barrierKind: Kind<Barrier> = {
  kind: 'barrier',
  schema: barrierSchema,
  version: 1,
  expiresAt: ({ phase, at }) => (phase ? undefined : at + KEEP_MS),
  lookup: ({ phase }) => (phase ? WAITING : undefined),
};

export const NEW_BARRIER: Barrier = {
  generation: 0,
  phase: null,
  parties: null,
  expected: [],
  isNamed: false,
  gone: [],
  onDeath: 'break',
  timeout: null,
  past: [],
  at: 0,
};

/** Document 000's word for what the participant does: it names no phase. */
const DEEDS = ['arrive', 'arrived', 'arriving', 'wait', 'waiting'];

export const nameOf = ({ sync_id, phase }: Pick<Arrival, 'sync_id' | 'phase'>): Name => ({
  ...(sync_id !== undefined && { sync_id }),
  ...(phase !== undefined && !DEEDS.includes(phase.toLowerCase()) && { phase }),
});

export const isNameless = ({ sync_id, phase }: Name): boolean => sync_id === undefined && phase === undefined;

export const isSame = (a: Name, b: Name): boolean => a.sync_id === b.sync_id && a.phase === b.phase;

/** How many have to come; null: nobody said. */
export const neededBy = ({ parties, gone }: Pick<Barrier, 'parties' | 'gone'>): number | null =>
  parties === null ? null : parties - gone.length;

export const missingAt = ({ phase, expected }: Pick<Barrier, 'phase' | 'expected'>): string[] =>
  expected.filter((agent) => !phase?.arrived.some((one) => one.agent === agent));

const PARTIES_SHOWN = 100;

/** As operators see it. */
export const toWire = (id: string, barrier: Barrier) => ({
  barrier_id: id,
  generation: barrier.generation,
  ...(barrier.parties !== null && { parties: barrier.parties }),
  on_death: barrier.onDeath,
  ...(barrier.gone.length > 0 && { gone: barrier.gone.slice(0, PARTIES_SHOWN) }),
  ...(barrier.phase && {
    ...barrier.phase.name,
    waiting: barrier.phase.arrived.length,
    waiting_since: iso(barrier.phase.since),
    waits_until: iso(barrier.phase.deadline),
    arrived: barrier.phase.arrived.slice(0, PARTIES_SHOWN).map(({ agent }) => agent),
    missing: missingAt(barrier).slice(0, PARTIES_SHOWN),
  }),
  past: barrier.past.map(({ name, at, ...outcome }) => ({ ...name, ...outcome, at: iso(at) })),
});
