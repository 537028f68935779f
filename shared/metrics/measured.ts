/** What is being measured of an agent, or of a part of the system. Only metrics-collector writes it. Pure. */
import * as z from 'zod';
import type { Kind } from '#shared/entity/kind.ts';
import { figuresSchema } from './figures.ts';
import { bucketSchema } from './rollup.ts';

const measuredSchema = z.object({
  /** When the last sample was heard, epoch ms. */
  heard: z.number(),
  /** Buckets of 10 s of the minutes that are not closed, in no order. */
  open: z.array(bucketSchema),
  /** The minutes of the open hour that are closed, and what came too late for them. */
  hour: bucketSchema.nullable(),
  latest: figuresSchema,
  /** Samples that were not taken: too old; of more metrics than there may be, or of no reasonable size. */
  late: z.number(),
  refused: z.number(),
});
export type Measured = z.infer<typeof measuredSchema>;

export const RESOLUTIONS = ['10s', '1m', '1h'] as const;
export type Resolution = (typeof RESOLUTIONS)[number];
export const SIZE_MS: Record<Resolution, number> = { '10s': 10_000, '1m': 60_000, '1h': 3_600_000 };

/** Closed buckets are children: those of 10 s by the minute, the others one by one. Each holds all metrics. */
export const CHILD_MS: Record<Resolution, number> = { ...SIZE_MS, '10s': SIZE_MS['1m'] };
export const childSchema = z.array(bucketSchema);

/** Sorts by time. */
export const childName = (resolution: Resolution, start: number): string => `${resolution}/${new Date(start).toISOString()}`;

/** The beginning of the stretch of `size` ms that a time lies in. */
export const floorTo = (time: number, size: number): number => Math.floor(time / size) * size;

const KEEP_MS = 90 * 24 * 3_600_000;

const measured = (kind: string): Kind<Measured> => ({
  kind,
  schema: measuredSchema,
  version: 1,
  expiresAt: ({ heard }) => heard + KEEP_MS,
});

/** Two kinds, so that a component may be named as an agent is. */
export const agentMetricsKind = measured('agent-metrics');
export const componentMetricsKind = measured('component-metrics');

/** Where CloudWatch has it. */
export const FLEET_NAMESPACE = 'MisterSmith/Fleet';
