/** What decisions have to know: the policies, and the agents that there are. Of a large fleet some are drawn. */
import type { Reader } from '#shared/entity/reader.ts';
import type { Figures } from '#shared/metrics/figures.ts';
import { readLoads } from '#shared/metrics/load.ts';
import { findAgents } from '#shared/registry/candidates.ts';
import type { Candidate } from '#shared/routing/candidate.ts';
import { candidateOf } from '#shared/routing/capacity.ts';
import { withFigures } from '#shared/routing/figures.ts';
import { type Fleet, readFleet } from '#shared/routing/fleet.ts';
import { DEFAULT_POLICY, namedBy, policyFor, ROUTING, type Routing, routingKind } from '#shared/routing/policies.ts';
import { NO_TASKS } from '#shared/tasks/slots.ts';
import { type Asked, needOf, type Role, roleOf } from './asked.ts';

/** Agents that are compared, and of a role those that are known. */
const COMPARED = 100;
const MAX_INSTANCES = 200;

export type View = {
  routing: Routing | undefined;
  fleet: Fleet;
  loads: ReadonlyMap<string, Figures>;
  /** By subject that is a role's: its instances. */
  roles: ReadonlyMap<string, readonly string[]>;
};

const readRole = async (reader: Reader, role: Role): Promise<string[]> =>
  (await findAgents(reader, role, MAX_INSTANCES)).map(({ profile }) => profile.agent_id);

export const readView = async (reader: Reader, asked: readonly Asked[]): Promise<View> => {
  const subjects = [...new Map(asked.map((one) => [one.subject, roleOf(one.subject)]))];
  const [routings, ...found] = await Promise.all([
    reader.load(routingKind, [ROUTING]),
    ...subjects.map(async ([subject, role]) => (role ? ([subject, await readRole(reader, role)] as const) : undefined)),
  ]);
  const routing = routings.get(ROUTING);
  const roles = new Map(found.filter((one) => one !== undefined));
  const policyOf = (subject: string) => policyFor(routing, subject)?.policy ?? DEFAULT_POLICY;
  const needs = asked.flatMap(({ subject, body }) => (roles.has(subject) ? [] : [{ need: needOf(body), policy: policyOf(subject) }]));
  const named = asked.flatMap(({ subject }) => namedBy(policyOf(subject)));
  const ids = [...new Set([...named, ...[...roles.values()].flat()])];
  const fleet = await readFleet(reader, needs, ids, { wanted: COMPARED, seed: asked[0]?.seed ?? '' });
  return { routing, fleet, loads: await readLoads(reader, [...fleet.agents.keys()]), roles };
};

/** All that are known of for a subject, as they are `now`, epoch ms. */
export const candidatesFor = (subject: string, { fleet, loads, roles }: View, now: number): Candidate[] => {
  const ids = roles.get(subject) ?? [...fleet.agents.keys()];
  return ids.flatMap((id) => {
    const agent = fleet.agents.get(id);
    if (!agent) return [];
    const circuit = fleet.circuits.get(id);
    return withFigures(candidateOf(agent, fleet.slots.get(id) ?? NO_TASKS, circuit), circuit, loads.get(id), now);
  });
};
