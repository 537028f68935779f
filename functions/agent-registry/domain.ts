/** How many agents have a place in a domain, and how many may. Changed in one transaction with the agent that comes or goes. Pure. */
import * as z from 'zod';
import type { Context } from '#shared/entity/entity.ts';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';

const domainSchema = z.object({ members: z.int().min(0) });

export type Domain = z.infer<typeof domainSchema>;

export const domainKind: Kind<Domain> = { kind: 'domain', schema: domainSchema, version: 1 };

export const domainKey = (domain: string): EntityKey => keyOf(domainKind.kind, domain);

export const memberCount = ({ also }: Pick<Context, 'also'>, domain: string): number => also(domainKind, domain)?.members ?? 0;

const LIMITS_RULE = 'must be a list such as nlp=2000,vision=50';

/** `DOMAIN_LIMIT`: agents a domain may have; `DOMAIN_LIMITS`: domains for which it is another number. */
export const settings = z
  .object({
    DOMAIN_LIMIT: z.coerce.number<string>().int().min(1).default(1000),
    DOMAIN_LIMITS: z
      .string()
      .regex(/^([\w-]+=\d+(,[\w-]+=\d+)*)?$/, { error: LIMITS_RULE })
      .default(''),
  })
  .transform(({ DOMAIN_LIMIT, DOMAIN_LIMITS }) => ({
    domainLimit: DOMAIN_LIMIT,
    domainLimits: Object.fromEntries(
      DOMAIN_LIMITS.split(',')
        .filter(Boolean)
        .map((entry) => entry.split('='))
        .map(([domain, limit]) => [domain, Number(limit)]),
    ) as Record<string, number>,
  }));

export type Settings = z.infer<typeof settings>;

export const limitOf = ({ domainLimit, domainLimits }: Settings, domain: string): number =>
  Object.hasOwn(domainLimits, domain) ? (domainLimits[domain] as number) : domainLimit;
