/** A gather as it is kept: its rules, who answered, and a running figure; results that are large are children. Times are epoch ms. */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import { ENDINGS, GATHER_STATUSES } from '#shared/messages/scatter-gather.ts';
import { resultSchema } from './results.ts';
import { rulesSchema } from './rules.ts';

const KEEP_MS = 48 * 3_600_000;

const results = z.array(resultSchema);

const openSchema = z.object({
  phase: z.literal('open'),
  min: z.number(),
  max: z.number(),
  deadline: z.number(),
  results,
  /** Absent: all are collected, and only their number and the deadline count. */
  rules: rulesSchema.exactOptional(),
  /** Results that are errors, or of no use to the strategy; where there are rules. */
  failed: z.number().exactOptional(),
  /** The sum, the least or the greatest so far. */
  figure: z.number().exactOptional(),
  /** When the last result came; where there are rules. */
  lastAt: z.number().exactOptional(),
});
export type Open = z.infer<typeof openSchema>;

const stateSchema = z.discriminatedUnion('phase', [
  /** Results came before their scatter. */
  z.object({ phase: z.literal('early'), until: z.number(), results }),
  openSchema,
  /** `results` are kept only for an answer that is fetched page by page. `late`: results that came afterwards. */
  z.object({
    phase: z.literal('closed'),
    status: z.enum(GATHER_STATUSES),
    at: z.number(),
    late: z.number(),
    results,
    by: z.enum(ENDINGS).exactOptional(),
  }),
  /** No scatter came for early results: they belong to somebody else's gather. */
  z.object({ phase: z.literal('left'), at: z.number() }),
]);
export type Gather = z.infer<typeof stateSchema>;

const lastTime = (gather: Gather): number => {
  switch (gather.phase) {
    case 'early':
      return gather.until;
    case 'open':
      return gather.deadline;
    case 'closed':
    case 'left':
      return gather.at;
    default:
      throw gather satisfies never;
  }
};

export const gatherKind: Kind<Gather> = {
  kind: 'gather',
  schema: stateSchema,
  version: 1,
  expiresAt: (gather) => keptUntil(lastTime(gather)),
};

/** Of what a gather of that time leaves. */
export const keptUntil = (time: number): number => time + KEEP_MS;

/** When an open gather ends if nothing more comes. */
export const dueOf = ({ rules, lastAt, deadline }: Open): number =>
  rules?.idle === undefined || lastAt === undefined ? deadline : Math.min(deadline, lastAt + rules.idle);

/** Of those that are expected, who has not answered; undefined: nobody is expected by name. */
export const missingOf = ({ rules, results }: Open): string[] | undefined => {
  if (!rules?.expected) return undefined;
  const came = new Set(results.filter(({ anonymous }) => !anonymous).map(({ from }) => from));
  return rules.expected.filter((agent) => !came.has(agent));
};
