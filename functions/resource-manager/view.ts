/** What the manager has to know of other resources: who waits for whom, as far as it matters to whoever begins to wait. */
import type { Alarm, Context } from '#shared/entity/entity.ts';
import { idOf } from '#shared/entity/key.ts';
import type { Reader } from '#shared/entity/reader.ts';
import type { controlResourceCheck } from '#shared/messages/control-coordination.ts';
import type { Received } from '#shared/messages/message.ts';
import type { resource, resourceRequest } from '#shared/messages/resource.ts';
import type { Graph } from './deadlock.ts';
import { countOf, holdingsKind, NO_HOLDINGS, type Resource, resourceKind } from './resource.ts';
import type { Settings } from './settings.ts';

export type Event = Received<typeof resource | typeof resourceRequest | typeof controlResourceCheck>;

export type View = { graph: Graph };
export type Ctx = Context<Settings, View>;

/** Resources of one walk; what lies beyond is taken to be free, and leases end what that misses. */
const MAX_RESOURCES = 500;

const isFull = ({ capacity, holders }: Resource): boolean => holders.length >= capacity;

type Start = { graph: Map<string, Resource> /** Who may come to hold something by a transfer. */; receivers: string[] };

/** Who may close a circle: by an acquire that waits, or as the receiver of a transfer. */
const closerOf = (event: Event | Alarm): { agent: string; resource_id: string; isReceiver: boolean } | undefined => {
  if (event.message === 'alarm' || event.message === 'controlResourceCheck') return undefined;
  const { coordination_type, requester, transfer_to, resource_id } = event.body;
  if (coordination_type === 'acquire') return { agent: requester, resource_id, isReceiver: false };
  return coordination_type === 'transfer' && transfer_to !== undefined ? { agent: transfer_to, resource_id, isReceiver: true } : undefined;
};

/**
 * Nobody is in a deadlock by waiting unless it holds something or is before somebody else. So most requests read two entities;
 * an alarm looks at all who wait.
 */
const startOf = async (events: readonly (Event | Alarm)[], reader: Reader): Promise<Start> => {
  const closers = events.flatMap((event) => closerOf(event) ?? []);
  const woken = events.flatMap((event) => (event.message === 'alarm' ? [idOf(event.key)] : []));
  const [resources, holdings] = await Promise.all([
    reader.load(resourceKind, [...woken, ...closers.map(({ resource_id }) => resource_id)]),
    reader.load(
      holdingsKind,
      closers.map(({ agent }) => agent),
    ),
  ]);
  const entangled = closers.filter(({ agent }) => countOf(holdings.get(agent) ?? NO_HOLDINGS) > 0);
  const starts = new Set([...woken, ...entangled.map(({ resource_id }) => resource_id)]);
  const awaited = ([id, one]: [string, Resource]) => isFull(one) && (one.waiters.length > 0 || !woken.includes(id));
  return {
    graph: new Map([...resources].filter(([id]) => starts.has(id)).filter(awaited)),
    receivers: entangled.filter(({ isReceiver }) => isReceiver).map(({ agent }) => agent),
  };
};

export const readView = async (events: readonly (Event | Alarm)[], reader: Reader): Promise<View> => {
  const { graph, receivers } = await startOf(events, reader);
  const agents = new Set<string>();
  const agentsOf = ({ holders, waiters }: Resource) => [...holders, ...waiters].map(({ agent }) => agent);
  for (let met = [...receivers, ...[...graph.values()].flatMap(agentsOf)]; met.length > 0 && graph.size < MAX_RESOURCES; ) {
    const fresh = [...new Set(met)].filter((agent) => !agents.has(agent));
    for (const agent of fresh) agents.add(agent);
    const holdings = await reader.load(holdingsKind, fresh);
    const next = [...holdings.values()].flatMap(({ waits }) => Object.keys(waits)).filter((id) => !graph.has(id));
    const loaded = await reader.load(resourceKind, [...new Set(next)].slice(0, MAX_RESOURCES - graph.size));
    for (const [id, one] of loaded) graph.set(id, one);
    met = [...loaded.values()].flatMap(agentsOf);
  }
  return { graph };
};
