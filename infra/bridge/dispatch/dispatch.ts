/** What the parts of a dispatcher share. */
import type { Clock } from '#shared/clock.ts';
import type { Floor } from '#shared/contract.ts';
import type { InHand } from '../control/in-hand.ts';
import type { FunctionEntry } from '../manifest/manifest.ts';
import type { BridgeMetrics, FunctionMetrics } from '../observe/metrics.ts';
import type { Tracing } from '../observe/tracing.ts';
import type { Invoker, Publisher } from '../ports/ports.ts';
import type { Concurrency } from './concurrency.ts';
import type { Attached, Held } from './held.ts';

export type DispatcherOptions = {
  fn: FunctionEntry;
  invoker: Invoker;
  publisher: Publisher;
  clock: Clock;
  /** 0 to 1, for jitter. */
  random: () => number;
  /** No SDK call of a function outlives its deadline by more, ms. */
  writeMargin: number;
  inHand: InHand;
  /** Floors of the function's consumers that are not attached here, by identity. */
  elsewhere: () => Promise<Record<string, Floor>>;
  metrics: BridgeMetrics;
  tracing?: Tracing | undefined;
  log: (sentence: string) => void;
};

export type Dispatch = Omit<DispatcherOptions, 'metrics'> & {
  metrics: FunctionMetrics;
  /** The function's bindings, its alarms among them. */
  attached: Attached[];
  concurrency: Concurrency;
  /** After so many ms; the later ones of its key wait behind it where the binding is ordered (rule 9). */
  tryAgain(of: Attached, held: Held, delayMs: number): void;
  /** The suspects of a function are invoked one after the other, so that only one can be to blame. */
  oneAtATime(step: () => Promise<void>): Promise<void>;
  /** Why outputs cannot be published, by who waits to publish them. */
  blocked: Map<object, string>;
};

/** Delays of what waits for the world to mend, ms. */
export const HOLD_MS = [100, 250, 500, 1000, 2000, 5000];

/** The last delay repeats; up to a fifth of it is drawn, so that what failed together does not come back together. */
export const backoff = ({ random }: Pick<Dispatch, 'random'>, delays: readonly number[], n: number): number => {
  const delay = delays[Math.min(n, delays.length - 1)] ?? 1000;
  return Math.round(delay * (1 - 0.2 * random()));
};
