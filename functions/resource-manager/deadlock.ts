/**
 * Deadlocks among agents that hold and wait for resources: Holt's reduction of the resource graph ("Some deadlock properties of
 * computer systems", 1972) for resources with several units, given first come, first served. An agent that waits for several
 * resources needs all of them. Who is left when nobody can go on any more, and waits for itself around a cycle, is in a
 * deadlock; its victim is the youngest wait of the cycle. Pure.
 */
import type { Resource, Waiter } from './resource.ts';

/** What is known of the resources, by id. What is not known is taken to be free: so a deadlock that is found is one. */
export type Graph = ReadonlyMap<string, Pick<Resource, 'capacity' | 'holders' | 'waiters'>>;

/** `cycle`: who waits for what, the victim first, each for the one after it. */
export type Victim = { agent: string; cycle: { agent: string; resource: string }[] };

/** `position`: in the queue, from 0. */
type Wait = Waiter & { resource: string; position: number };

const waitsOf = (graph: Graph): Map<string, Wait[]> =>
  Map.groupBy(
    [...graph].flatMap(([resource, { waiters }]) => waiters.map((waiter, position) => ({ ...waiter, resource, position }))),
    ({ agent }) => agent,
  );

/** What the wait needs: one more unit than the stuck ones before it will take and keep. */
const canBeMet = (graph: Graph, stuck: ReadonlyMap<string, unknown>, { resource, position }: Wait): boolean => {
  const { capacity, holders, waiters } = graph.get(resource) as Resource;
  const kept = holders.filter(({ agent }) => stuck.has(agent)).length;
  const taken = waiters.slice(0, position).filter(({ agent }) => stuck.has(agent)).length;
  return capacity - kept > taken;
};

/** Waits of agents that never end, by agent, if nobody gives up. */
const stuckIn = (graph: Graph): Map<string, Wait[]> => {
  const stuck = waitsOf(graph);
  for (let before = -1; before !== stuck.size; ) {
    before = stuck.size;
    for (const [agent, waits] of stuck) if (waits.every((wait) => canBeMet(graph, stuck, wait))) stuck.delete(agent);
  }
  return new Map([...stuck].map(([agent, waits]) => [agent, waits.filter((wait) => !canBeMet(graph, stuck, wait))]));
};

/** Whom a wait waits for: holders, and whoever is before it. */
const awaited = (graph: Graph, { resource, position }: Wait): string[] => {
  const { holders, waiters } = graph.get(resource) as Resource;
  return [...holders, ...waiters.slice(0, position)].map(({ agent }) => agent);
};

/** A shortest cycle of stuck waits that begins with this one; undefined: there is none. */
const cycleOf = (graph: Graph, stuck: ReadonlyMap<string, Wait[]>, first: Wait): Wait[] | undefined => {
  const cameBy = new Map<Wait, Wait>();
  const queue = [first];
  for (let wait = queue.shift(); wait !== undefined; wait = queue.shift()) {
    const awaitedBy = awaited(graph, wait);
    if (awaitedBy.includes(first.agent)) return pathTo(wait, cameBy);
    for (const next of awaitedBy.flatMap((agent) => stuck.get(agent) ?? [])) {
      if (cameBy.has(next)) continue;
      cameBy.set(next, wait);
      queue.push(next);
    }
  }
  return undefined;
};

const pathTo = (last: Wait, cameBy: ReadonlyMap<Wait, Wait>): Wait[] => {
  const path: Wait[] = [];
  for (let wait: Wait | undefined = last; wait !== undefined; wait = cameBy.get(wait)) path.unshift(wait);
  return path;
};

const isYounger = (a: Wait, b: Wait): boolean =>
  a.since !== b.since ? a.since > b.since : `${a.agent} ${a.resource}` > `${b.agent} ${b.resource}`;

/** Waits for the resource that never end, the last one first, each with its cycle. */
const cyclesAt = (graph: Graph, resource: string): Wait[][] => {
  const waiters = graph.get(resource)?.waiters ?? [];
  if (waiters.length === 0) return [];
  const stuck = stuckIn(graph);
  return waiters.toReversed().flatMap(({ agent }) => {
    const wait = stuck.get(agent)?.find((one) => one.resource === resource);
    const cycle = wait && cycleOf(graph, stuck, wait);
    return cycle ? [cycle] : [];
  });
};

const toVictim = (cycle: Wait[] | undefined): Victim | undefined =>
  cycle?.[0] && { agent: cycle[0].agent, cycle: cycle.map(({ agent, resource }) => ({ agent, resource })) };

/** Who has to give up its wait for the resource, because that is the youngest of a cycle; undefined: nobody. */
export const victimAt = (graph: Graph, resource: string): Victim | undefined =>
  toVictim(cyclesAt(graph, resource).find(([wait, ...others]) => others.every((other) => isYounger(wait as Wait, other))));

/** Somebody who waits for the resource for ever, young or not; undefined: nobody. */
export const stuckAt = (graph: Graph, resource: string): Victim | undefined => toVictim(cyclesAt(graph, resource)[0]);
