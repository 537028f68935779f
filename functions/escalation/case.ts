/** A case: an agent in trouble that somebody has to look at. One an agent. Plain data. */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';

export const LEVELS = [1, 2, 3, 4] as const;
/** 1: the agent's supervisor, and those above it, 2: the domain's, 3: root, 4: people. */
export type Level = (typeof LEVELS)[number];
export const PEOPLE = 4;

const word = z.object({ by: z.string(), reason: z.string().optional(), at: z.number() });

/** Times are epoch ms. */
const caseSchema = z.object({
  caseId: z.string(),
  status: z.enum(['open', 'acknowledged', 'resolved']),
  level: z.literal(LEVELS),
  /** Whom it has been handed to at its level, in order: it is with the last. */
  asked: z.array(z.string()),
  openedAt: z.number(),
  /** Failures that were escalated since: how many, and the last ones, oldest first. */
  count: z.int().min(1),
  failures: z.array(z.string()),
  last: z.object({ reason: z.string(), at: z.number() }),
  /** What the escalation said of its supervisor; the registry's word counts before it. */
  supervisor: z.string().optional(),
  acknowledged: word.optional(),
  resolved: word.optional(),
});

export type Case = z.infer<typeof caseSchema>;

const KEEP_RESOLVED_MS = 30 * 24 * 3_600_000;
/** By which the cases are found that are not resolved. */
export const UNRESOLVED = 'escalation.unresolved';

/** Version 1 does not say whom it is with: where it cannot be told, its level is asked once more. */
const askedBefore = ({ level, supervisor }: Pick<Case, 'level' | 'supervisor'>): string[] => {
  if (level === PEOPLE) return ['people'];
  if (level === 3) return ['root'];
  return level === 1 && supervisor !== undefined ? [supervisor] : [];
};

export const caseKind: Kind<Case> = {
  kind: 'escalation',
  schema: caseSchema,
  version: 2,
  upcast: { 1: (old) => ({ ...(old as Case), asked: askedBefore(old as Case) }) },
  expiresAt: ({ resolved }) => resolved && resolved.at + KEEP_RESOLVED_MS,
  lookup: ({ status }) => (status === 'resolved' ? undefined : UNRESOLVED),
};

const said = ({ at, ...rest }: z.infer<typeof word>) => ({ ...rest, at: iso(at) });

/** As operators see it. */
export const toWire = (agentId: string, one: Case) => ({
  agent_id: agentId,
  case_id: one.caseId,
  status: one.status,
  escalation_level: one.level,
  ...(one.asked.length > 0 && { supervisor_id: one.asked.at(-1) }),
  opened_at: iso(one.openedAt),
  count: one.count,
  failures: one.failures,
  last_reason: one.last.reason,
  last_at: iso(one.last.at),
  ...(one.acknowledged && { acknowledged: said(one.acknowledged) }),
  ...(one.resolved && { resolved: said(one.resolved) }),
});
