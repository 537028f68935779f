/** What every contender of the bridge bench is told: the same for all of them. */

export const STREAM = 'BENCH';
export const SUBJECT = 'bench.in';
/** Calls in flight at most. */
export const LANES = 16;
export const ACK_WAIT_MS = 30_000;
/** Messages delivered and not acknowledged, at most. */
export const MAX_ACK_PENDING = 10_000;

export type Task = {
  nats: string;
  /** Of the server that speaks Lambda's Invoke API. */
  endpoint: string;
  /** The function called there. */
  target: string;
  /** Messages a call, at most. */
  batch: number;
  /** Names the durable consumer. */
  name: string;
};

/** The consumer that the bridge makes of `name`. */
export const durableOf = (name: string): string => `${name}_in`;
