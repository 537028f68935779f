/**
 * Several bridges, one owner a duty. Every bridge keeps a key in the bucket BRIDGE_LEASES that says it is there and what it
 * can do, and a lease of each duty that is its own; from the keys that are there each computes the same assignment. Whoever
 * is dead writes no more, so its keys expire and the others take over. What is right does not depend on any of this, what it
 * costs does.
 */
import type { NatsConnection } from '@nats-io/transport-node';
import { type Clock, systemClock } from '#shared/clock.ts';
import { assignOffers } from './duty-assignment.ts';
import { type Entry, openLeaseBucket } from './lease-bucket.ts';
import { repeatRounds } from './lease-rounds.ts';
import { createTenure, type Duty, leaseKey } from './tenure.ts';

export type Ownership = {
  /** Names of the duties that this bridge does now. */
  mine(): string[];
  /** Ids of the bridges that are there, this one among them until it leaves. */
  bridges(): string[];
  /** The bridge that holds a duty's lease, by duty; a duty that nobody has is missing. */
  owners(): Map<string, string>;
  /** Hands everything over and leaves: others take over at once. */
  leave(): Promise<void>;
};

const PRESENCE = 'bridge.';

/**
 * Resolves when this bridge takes part; alone, it has taken every duty by then. `bridgeId` is one subject token, unique among
 * the living: one that starts again under its old id need not wait for its old leases to expire. Rejects where the bucket is
 * missing.
 */
export const startOwnership = async ({
  nc,
  bridgeId,
  duties,
  log,
  clock = systemClock,
}: {
  nc: NatsConnection;
  bridgeId: string;
  duties: readonly Duty[];
  log: (sentence: string) => void;
  clock?: Clock;
}): Promise<Ownership> => {
  const leases = await openLeaseBucket(nc, clock);
  let entries = new Map<string, Entry>();
  let leaving: Promise<void> | undefined;

  const tenures = duties.map((duty) => createTenure({ duty, bridgeId, leases, clock, log, changed: () => rounds.soon() }));
  const ownerOf = (duty: string) => entries.get(leaseKey(duty))?.value;

  const round = async (calm: boolean): Promise<void> => {
    const offered = tenures.filter(({ name, offered }) => offered(ownerOf(name))).map(({ name }) => name);
    if (!leaving) await leases.put(PRESENCE + bridgeId, offered.join(' '));
    await Promise.all(tenures.map(({ renew }) => renew()));
    entries = await leases.entries();
    if (leaving) return;
    const owners = assignOffers(offersIn(entries).set(bridgeId, offered));
    for (const { name, take, handOver } of tenures) {
      const owner = ownerOf(name);
      if (owners.get(name) !== bridgeId) handOver();
      else if (calm && (owner === undefined || owner === bridgeId)) take(entries.get(leaseKey(name))?.revision ?? 0);
    }
  };

  const rounds = repeatRounds({ round, every: leases.renewMs, clock, log, over: () => nc.isClosed() });
  const unwatch = leases.watch((key, value) => {
    if (entries.get(key)?.value !== value) rounds.soon();
  });
  const watchConnection = async () => {
    for await (const { type } of nc.status()) if (type === 'reconnect') rounds.soon();
  };
  void watchConnection();
  await rounds.first;
  await Promise.all(tenures.map(({ settled }) => settled()));

  const leave = async (): Promise<void> => {
    // Where it fails, the key expires by itself.
    const absent = leases.remove(PRESENCE + bridgeId).catch(() => {});
    await Promise.all([absent, ...tenures.map(({ end }) => end())]);
    rounds.stop();
    unwatch();
  };

  return {
    mine: () => tenures.filter(({ phase }) => phase() === 'mine').map(({ name }) => name),
    bridges: () => [...offersIn(entries).keys(), ...(leaving ? [] : [bridgeId])].filter(isFirst).sort(),
    owners: () => new Map(tenures.flatMap((tenure) => toPair(tenure.name, tenure.phase() === 'mine' ? bridgeId : ownerOf(tenure.name)))),
    leave: () => {
      leaving ??= leave();
      return leaving;
    },
  };
};

const toPair = (duty: string, owner: string | undefined): [string, string][] => (owner === undefined ? [] : [[duty, owner]]);

const isFirst = <T>(item: T, n: number, list: T[]): boolean => list.indexOf(item) === n;

/** By bridge: what it can do. */
const offersIn = (entries: ReadonlyMap<string, Entry>): Map<string, string[]> =>
  new Map(
    [...entries].flatMap(([key, { value }]) =>
      key.startsWith(PRESENCE) && value !== undefined ? [[key.slice(PRESENCE.length), value.split(' ').filter(Boolean)]] : [],
    ),
  );
