/** What is kept: of an agent its recoveries, of a supervisor its restarts and the recovery of several agents. Plain data. */
import * as z from 'zod';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';
import { affected, attemptsOf, isUnderWay, type Plan, planSchema } from './plan.ts';

const KEEP_MS = 30 * 24 * 3_600_000;

const recoverySchema = z.object({
  /** Ids of the failures that it was asked for, oldest first. */
  seen: z.array(z.string()),
  /** Its restarts, epoch ms, oldest first. */
  restarts: z.array(z.number()),
  /** The last recovery of this agent alone. */
  plan: planSchema.nullable(),
  /** The supervisor whose plan this agent's alarm drives. */
  keeps: z.string().nullable(),
  /** When it last changed. */
  at: z.number(),
});

export type Recovery = z.infer<typeof recoverySchema>;
export const NO_RECOVERY: Recovery = { seen: [], restarts: [], plan: null, keeps: null, at: 0 };

/** By which the recoveries under way are found. */
export const ALONE = 'recovery.alone';
export const TOGETHER = 'recovery.together';

export const recoveryKind: Kind<Recovery> = {
  kind: 'recovery',
  schema: recoverySchema,
  version: 1,
  expiresAt: ({ at }) => at + KEEP_MS,
  lookup: ({ plan }) => (isUnderWay(plan) ? ALONE : undefined),
};

const groupSchema = z.object({
  /** Epoch ms, oldest first, as far back as its intensity looks. */
  restarts: z.array(z.number()),
  /** When it last restarted a child that is a supervisor. */
  restarted: z.record(z.string(), z.number()),
  /** Its last recovery of several agents. */
  plan: planSchema.nullable(),
});

export type Group = z.infer<typeof groupSchema>;
export const NO_RESTARTS: Group = { restarts: [], restarted: {}, plan: null };

export const restartsKind: Kind<Group> = {
  kind: 'restarts',
  schema: groupSchema,
  version: 1,
  expiresAt: ({ restarts, plan }) => Math.max(restarts.at(-1) ?? 0, plan?.deadline ?? 0) + KEEP_MS,
  lookup: ({ plan }) => (isUnderWay(plan) ? TOGETHER : undefined),
};

export const groupKey = (supervisorId: string): EntityKey => keyOf(restartsKind.kind, supervisorId);

/** As operators see it. */
export const toWire = (plan: Plan) => ({
  recovery_id: plan.recoveryId,
  supervisor_id: plan.supervisor,
  reasons: plan.reasons,
  started_at: iso(plan.startedAt),
  deadline: iso(plan.deadline),
  affected_agents: affected(plan),
  to_stop: plan.members.filter(({ todo }) => todo === 'stop' || todo === 'retire').map(({ agent }) => agent),
  to_start: plan.members.filter(({ todo }) => todo === 'stop' || todo === 'start').map(({ agent }) => agent),
  ...(plan.order && { waits_for: { agent_id: plan.order.agent, to: plan.order.to, since: iso(plan.order.at) } }),
  attempts: attemptsOf(plan),
});
