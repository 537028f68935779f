/**
 * A supervisor and its children, as OTP's `supervisor` has them, for whoever reads it. Only the function `supervisor` writes
 * it. A supervisor without an item is the default of its level (document 003): `root` one_for_all, `domain-<domain>`, which is
 * a child of root, rest_for_one, any other one_for_one. Pure.
 */
import * as z from 'zod';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { AUTO_SHUTDOWNS, RESTART_TYPES, STRATEGIES } from '#shared/messages/supervisor.ts';

const childSchema = z.object({
  id: z.string(),
  type: z.enum(['agent', 'supervisor']),
  /** permanent: always started again; transient: unless it ended normally; temporary: never. */
  restart: z.enum(RESTART_TYPES),
  /** Its normal end may end its supervisor (`autoShutdown`). */
  significant: z.boolean(),
  /** How long it may take to stop, ms. */
  shutdown: z.number(),
});

const supervisorSchema = z.object({
  strategy: z.enum(STRATEGIES),
  intensity: z.int().min(0),
  /** ms */
  period: z.int().min(1),
  autoShutdown: z.enum(AUTO_SHUTDOWNS),
  /** In the order in which they are started. */
  children: z.array(childSchema),
  /** When its process last said that it started, epoch ms; null: it never has, or has said since that it stopped. */
  startedAt: z.number().nullable(),
  /** It is no longer defined since, epoch ms: all else is as if it had never been. */
  removedAt: z.number().optional(),
});

export type Child = z.infer<typeof childSchema>;
export type Supervisor = z.infer<typeof supervisorSchema>;

const KEEP_REMOVED_MS = 7 * 24 * 3_600_000;

export const supervisorKind: Kind<Supervisor> = {
  kind: 'supervisor',
  schema: supervisorSchema,
  version: 1,
  expiresAt: ({ removedAt }) => removedAt && removedAt + KEEP_REMOVED_MS,
  lookup: ({ removedAt }) => (removedAt === undefined ? 'supervisor' : undefined),
};

export const supervisorKey = (supervisorId: string): EntityKey => keyOf(supervisorKind.kind, supervisorId);

export const ROOT = 'root';
const DOMAIN = 'domain-';
export const domainSupervisor = (domain: string): string => `${DOMAIN}${domain}`;

/** Whether it is there without being defined. */
export const isImplied = (supervisorId: string): boolean => supervisorId === ROOT || supervisorId.startsWith(DOMAIN);

/** Document 003 says no figures; these are as generous as a restart storm allows. */
const INTENSITY = { intensity: 3, period: 60_000 };
const SHUTDOWN_MS = 5000;

export const defaultSupervisor = (supervisorId: string): Supervisor => ({
  strategy: supervisorId === ROOT ? 'one_for_all' : supervisorId.startsWith(DOMAIN) ? 'rest_for_one' : 'one_for_one',
  ...INTENSITY,
  autoShutdown: 'never',
  children: [],
  startedAt: null,
});

/** A child as it is where its supervisor says nothing more than its id. */
export const defaultChild = (id: string): Child => ({ id, type: 'agent', restart: 'permanent', significant: false, shutdown: SHUTDOWN_MS });
