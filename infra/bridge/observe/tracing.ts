/** What the bridge tells whoever traces. */
import type { Answer, BatchRecord, ItemFailure } from '#shared/contract.ts';
import type { InvokeFailure } from '../ports/ports.ts';

/** An invocation that is over, with what came of it. Times are epoch ms. */
export type Invocation = {
  function: string;
  binding: string;
  /** `queuedAt`: when the bridge was given it. */
  batch: readonly { queuedAt: number; delivery: { record: BatchRecord } }[];
  /** When the function was called, and when it had answered. */
  started: number;
  ended: number;
  /** When its outputs were confirmed. */
  settled: number;
} & (
  | { error: { kind: InvokeFailure; message: string } }
  | { publish: Answer['publish'] /** Of the records that failed. */; failures: ReadonlyMap<string, ItemFailure> }
);

export type Tracing = {
  invoked(invocation: Invocation): void;
  /** Sends what is not sent yet; gives up after a few seconds. */
  stop(): Promise<void>;
};
