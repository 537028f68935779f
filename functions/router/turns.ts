/** Who was chosen last for a subject, so that the next choice can be another one. Pure. */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import type { Candidate } from '#shared/routing/candidate.ts';
import type { Route } from '#shared/routing/route.ts';

const KEEP_MS = 24 * 3_600_000;
/** Of more the one that was chosen longest ago is forgotten: it counts as new, and so goes first again. */
const MAX_REMEMBERED = 500;

const turnsSchema = z.object({
  /** By agent: when it was chosen, epoch ms, or a little later; its virtual time. */
  turns: z.record(z.string(), z.object({ last: z.number(), turn: z.number().exactOptional() })),
  at: z.number(),
});
export type Turns = z.infer<typeof turnsSchema>;

export const turnsKind: Kind<Turns> = {
  kind: 'routing-turns',
  schema: turnsSchema,
  version: 1,
  expiresAt: ({ at }) => at + KEEP_MS,
};

/** Before anybody was chosen it is as the candidates say: as tasks went. */
export const inTurn = (candidate: Candidate, known: Turns | undefined): Candidate => {
  if (!known) return candidate;
  const own = known.turns[candidate.id];
  return { ...candidate, last: own?.last ?? 0, turn: own?.turn };
};

/** Later than all before, so no two have the same. */
export const remembered = (known: Turns | undefined, targets: Route['targets'], now: number): Turns => {
  const before = Object.entries(known?.turns ?? {});
  const latest = before.reduce((latest, [, { last }]) => Math.max(latest, last), 0);
  const first = Math.max(now, latest + 1);
  const chosen = targets.map(({ id, turn }, n) => [id, { last: first + n, ...(turn !== undefined && { turn }) }] as const);
  const ids = new Set(targets.map(({ id }) => id));
  const others = before.filter(([id]) => !ids.has(id));
  const kept = [...others, ...chosen].sort(([, a], [, b]) => b.last - a.last).slice(0, MAX_REMEMBERED);
  return { turns: Object.fromEntries(kept), at: now };
};
