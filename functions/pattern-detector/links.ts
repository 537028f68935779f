/** What links agents, so that the failure of one may cause another's: declared dependencies, and the supervision tree. Pure. */
import * as z from 'zod';
import type { Profile } from '#shared/registry/agent.ts';
import { ROOT } from '#shared/supervision/supervisor.ts';
import { chainOf, namedSupervisor, type Places, supervisorOf } from '#shared/supervision/tree.ts';

export const factsSchema = z.object({
  zone: z.string().optional(),
  /** Its supervisor and the one above; root links nobody, as it is above all. */
  supervisors: z.array(z.string()),
  dependsOn: z.array(z.string()),
  capabilities: z.array(z.string()),
});
/** What links an agent to others. */
export type Facts = z.infer<typeof factsSchema>;

export type Linked = Facts & { id: string };
export const UNKNOWN: Facts = { supervisors: [], dependsOn: [], capabilities: [] };

/** Names that count: what an agent declares is not bounded. */
const MOST_NAMES = 8;

/** `metadata.depends_on`: ids of agents, or capabilities. */
const declared = (profile: Profile | undefined): string[] => {
  const names = profile?.metadata.depends_on;
  return (Array.isArray(names) ? names : [names]).filter((name) => typeof name === 'string').slice(0, MOST_NAMES);
};

export const factsOf = (profile: Profile | undefined, where: Places): Facts => ({
  ...(profile?.zone !== undefined && { zone: profile.zone }),
  supervisors: chainOf(where.tree, supervisorOf(where, profile?.agent_id ?? '') ?? namedSupervisor(profile))
    .filter((id) => id !== ROOT)
    .slice(0, 2),
  dependsOn: declared(profile),
  capabilities: profile?.capabilities.slice(0, MOST_NAMES) ?? [],
});

/** Whether a failure of `from` may cause one of `to`. */
export const LINKS = {
  dependency: (from: Linked, to: Linked): boolean => to.dependsOn.some((name) => name === from.id || from.capabilities.includes(name)),
  /** Children of one supervisor, or of a supervisor and the one above it. */
  tree: (from: Linked, to: Linked): boolean => {
    const [[a, aboveA], [b, aboveB]] = [from.supervisors, to.supervisors];
    return a !== undefined && b !== undefined && (a === b || a === aboveB || aboveA === b);
  },
} as const;
export type LinkKind = keyof typeof LINKS;
