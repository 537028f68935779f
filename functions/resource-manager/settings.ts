/** Settings of resource-manager, from variables of its environment. */
import * as z from 'zod';

const atLeastOne = z.coerce.number<string>().int().min(1);

export const settings = z
  .object({
    RESOURCE_LEASE_MS: atLeastOne.default(30_000),
    RESOURCE_MAX_LEASE_MS: atLeastOne.default(3_600_000),
    RESOURCE_GRACE_MS: z.coerce.number<string>().int().min(0).default(500),
    RESOURCE_MAX_WAITERS: atLeastOne.default(1000),
  })
  .transform((environment) => ({
    /** Of a request that names no time, and at most, ms. */
    lease: { usual: environment.RESOURCE_LEASE_MS, most: environment.RESOURCE_MAX_LEASE_MS },
    /** After the end of a lease, before the next one: what a holder's clock may be behind, ms. */
    grace: environment.RESOURCE_GRACE_MS,
    maxWaiters: environment.RESOURCE_MAX_WAITERS,
  }));

export type Settings = z.infer<typeof settings>;
