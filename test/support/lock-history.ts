/** A lock with fencing tokens as a sequential object: what the histories of resource-manager are judged by. */
import type { Operation, Sequential } from './linearizability.ts';

/** `end`: a lease is over, by a release, its time or a crash; not before its holder knew. */
export type LockOp = Operation & ({ kind: 'acquire' | 'end'; token: number } | { kind: 'check'; token: number; current: boolean });

type Lock = { last: number; held: readonly number[] };

export const lock = (capacity: number): Sequential<LockOp, Lock> => ({
  initial: { last: 0, held: [] },
  apply: ({ last, held }, op) => {
    const isHeld = held.includes(op.token);
    switch (op.kind) {
      case 'acquire':
        return op.token > last && held.length < capacity ? { last: op.token, held: [...held, op.token] } : undefined;
      case 'end':
        return isHeld ? { last, held: held.filter((token) => token !== op.token) } : undefined;
      case 'check':
        return isHeld === op.current ? { last, held } : undefined;
      default:
        throw op satisfies never;
    }
  },
  key: ({ last, held }) => `${last} ${held}`,
});
