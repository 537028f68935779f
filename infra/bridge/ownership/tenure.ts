/**
 * One duty and its lease, in one bridge: taken, kept, handed over, one after the other and never two at once. A lease that
 * went to another bridge meanwhile (this one was frozen, or cut off) ends the tenure just the same.
 */
import type { Clock } from '#shared/clock.ts';
import { inTurns } from '../ports/in-turns.ts';
import type { LeaseBucket } from './lease-bucket.ts';

export type Duty = {
  name: string;
  /**
   * Resolves when this bridge does it. Where it rejects, nothing of it goes on. `owned` tells whether the lease cannot have
   * expired yet, so that nobody else does it.
   */
  take(owned: () => boolean): Promise<void>;
  /** Finishes what is in flight and gives the rest back. */
  handOver(): Promise<void>;
};

export type Tenure = {
  name: string;
  phase(): 'away' | 'taking' | 'mine' | 'leaving';
  /** Whether this bridge would do it, when the lease is held by `owner`. After a failure only if nobody else does. */
  offered(owner: string | undefined): boolean;
  /** Begins to take the lease, whose last revision is `revision`, and then the duty; nothing unless away. */
  take(revision: number): void;
  /** Begins to hand the duty over, and then the lease; nothing unless mine. */
  handOver(): void;
  /** Writes the lease again where it is held. Rejects when the server does not answer. */
  renew(): Promise<void>;
  /** Resolves when no take or hand-over is under way. */
  settled(): Promise<void>;
  /** Resolves when it is handed over. Nothing is taken after it. */
  end(): Promise<void>;
};

export const leaseKey = (duty: string): string => `duty.${duty}`;

/** After a take that failed, ms; the last repeats. */
const RETRY_MS = [1000, 2000, 5000, 10_000, 30_000];

export const createTenure = ({
  duty,
  bridgeId,
  leases,
  clock,
  log,
  changed,
}: {
  duty: Duty;
  bridgeId: string;
  leases: LeaseBucket;
  clock: Clock;
  log: (sentence: string) => void;
  /** Told when there is a reason to look at the leases again. */
  changed: () => void;
}): Tenure => {
  const key = leaseKey(duty.name);
  let phase: ReturnType<Tenure['phase']> = 'away';
  let ended = false;
  /** Of the lease that is held. */
  let revision: number | undefined;
  /** Until when it cannot have expired: counted from before it was written. */
  let heldUntil = Number.NEGATIVE_INFINITY;
  let failures = 0;
  let cancelRest: (() => void) | undefined;
  let work = Promise.resolve();

  /** The lease is written by one at a time: each write names the revision that the one before it made. */
  const inTurn = inTurns();

  const write = async (expected: number): Promise<number | undefined> => {
    const asked = clock.now();
    const written = await leases.replace(key, bridgeId, expected);
    if (written !== undefined) heldUntil = asked + leases.lifeMs;
    return written;
  };
  const owned = () => clock.now() < heldUntil;

  const giveBack = () =>
    inTurn(async () => {
      const last = revision;
      revision = undefined;
      if (last !== undefined) await leases.remove(key, last);
    }).catch(() => {
      // Then it expires by itself.
    });

  const rest = (error: unknown) => {
    const delay = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)] as number;
    log(`${duty.name} could not be taken: ${sentenceOf(error)}; any bridge may try, this one again in ${delay / 1000} s`);
    cancelRest = clock.after(delay, () => {
      cancelRest = undefined;
      changed();
    });
  };

  const take = async (expected: number): Promise<void> => {
    try {
      await inTurn(async () => {
        revision = await write(expected);
      });
    } catch {
      // Whether it was written, the next look at the leases tells.
    }
    if (revision === undefined) {
      phase = 'away';
      return;
    }
    try {
      await duty.take(owned);
      failures = 0;
      phase = 'mine';
      if (revision === undefined) await handOver();
    } catch (error) {
      if (!ended) rest(error);
      await giveBack();
      phase = 'away';
    }
    changed();
  };

  const handOver = async (): Promise<void> => {
    phase = 'leaving';
    try {
      await duty.handOver();
    } catch (error) {
      log(`${duty.name} was not handed over cleanly: ${sentenceOf(error)}`);
    }
    await giveBack();
    phase = 'away';
    changed();
  };

  const beginHandOver = () => {
    if (phase === 'mine') work = handOver();
  };

  const renew = async (): Promise<void> => {
    if (revision === undefined) return;
    const renewed = await write(revision);
    const now = renewed === undefined ? await leases.get(key) : undefined;
    // An earlier answer was lost, or the lease expired and nobody wanted it.
    const unclaimed = renewed === undefined && (!now || now.value === bridgeId);
    revision = unclaimed ? await write(now?.revision ?? 0) : renewed;
    if (revision !== undefined) return;
    const where = now?.value ? `is with ${now.value}` : 'was with another bridge';
    log(`the lease of ${duty.name} ${where}: it had expired here, so what is in flight is finished and the rest given back`);
    beginHandOver();
  };

  return {
    name: duty.name,
    phase: () => phase,
    offered: (owner) => failures === 0 || (!cancelRest && (owner === undefined || owner === bridgeId)),
    take(expected) {
      if (phase !== 'away' || ended) return;
      phase = 'taking';
      work = take(expected);
    },
    handOver: beginHandOver,
    renew: () => inTurn(renew),
    settled: () => work,
    async end() {
      ended = true;
      cancelRest?.();
      while (phase !== 'away') {
        beginHandOver();
        await work;
      }
    },
  };
};

const sentenceOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
