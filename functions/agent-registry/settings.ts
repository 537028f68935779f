/** Settings of agent-registry, from variables of its environment. */
import * as z from 'zod';

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
