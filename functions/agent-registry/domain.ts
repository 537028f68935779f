/** How many agents have a place in a domain, and how many may. Changed in one transaction with the agent that comes or goes. Pure. */
import * as z from 'zod';
import type { Context } from '#shared/entity/entity.ts';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import type { Settings } from './settings.ts';

const domainSchema = z.object({ members: z.int().min(0) });

export type Domain = z.infer<typeof domainSchema>;

export const domainKind: Kind<Domain> = { kind: 'domain', schema: domainSchema, version: 1 };

export const domainKey = (domain: string): EntityKey => keyOf(domainKind.kind, domain);

export const memberCount = ({ also }: Pick<Context, 'also'>, domain: string): number => also(domainKind, domain)?.members ?? 0;

export const limitOf = ({ domainLimit, domainLimits }: Settings, domain: string): number =>
  Object.hasOwn(domainLimits, domain) ? (domainLimits[domain] as number) : domainLimit;
