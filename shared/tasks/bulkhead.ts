/**
 * What is open of a domain that has a limit, so that one domain's flood leaves the others their room (the bulkhead of Nygard,
 * Release It!, 2007). Only task-assignment writes it, together with the tasks. Pure.
 */
import * as z from 'zod';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';

const count = z.int().min(0);
const bulkheadSchema = z.object({ active: count, waiting: count, /** Epoch ms. */ at: z.number() });
export type Bulkhead = z.infer<typeof bulkheadSchema>;

const KEEP_EMPTY_MS = 24 * 3_600_000;

export const bulkheadKind: Kind<Bulkhead> = {
  kind: 'bulkhead',
  schema: bulkheadSchema,
  version: 1,
  expiresAt: ({ active, waiting, at }) => (active + waiting === 0 ? at + KEEP_EMPTY_MS : undefined),
};

export const bulkheadKey = (domain: string): EntityKey => keyOf(bulkheadKind.kind, domain);

/** Tasks of a domain at once, and tasks of it that wait; absent: any number. */
export type Limit = { concurrent?: number | undefined; waiting?: number | undefined };
