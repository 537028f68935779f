/** A case: an agent in trouble that somebody has to look at. One an agent. Plain data. */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';

export const LEVELS = [1, 2, 3, 4] as const;
/** 1: the agent's supervisor, 2: its domain, 3: root, 4: people. */
export type Level = (typeof LEVELS)[number];
export const PEOPLE = 4;

const word = z.object({ by: z.string(), reason: z.string().optional(), at: z.number() });

/** Times are epoch ms. */
const caseSchema = z.object({
  caseId: z.string(),
  status: z.enum(['open', 'acknowledged', 'resolved']),
  level: z.literal(LEVELS),
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

export const caseKind: Kind<Case> = {
  kind: 'escalation',
  schema: caseSchema,
  version: 1,
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
  opened_at: iso(one.openedAt),
  count: one.count,
  failures: one.failures,
  last_reason: one.last.reason,
  last_at: iso(one.last.at),
  ...(one.acknowledged && { acknowledged: said(one.acknowledged) }),
  ...(one.resolved && { resolved: said(one.resolved) }),
});
