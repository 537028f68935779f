/**
 * What the bridge's core asks of the world. NATS, Lambda and the clock stand behind these types; the simulator stands
 * behind them too.
 */
import type { Batch, BatchRecord, Floor, Headers, Timer } from '#shared/contract.ts';

/** One message in the bridge's hands. What is said of it goes out at once and is never confirmed. */
export type Delivery = {
  record: BatchRecord;
  /** Bytes of payload and headers. */
  bytes: number;
  /** Epoch ms at which this bridge received it. */
  receivedAt: number;
  /** Requests only: epoch ms until which the requester waits, where it says so. */
  deadline?: number;
  ack(): void;
  /** Deliver again, not before `delayMs`. */
  nak(delayMs: number): void;
  /** Still at work: the ack wait begins again. */
  working(): void;
  /** Requests only: the answer; of a streamed one every part, and an empty one at the end. */
  respond?(answer: { data: string | Uint8Array; headers?: Headers } | { error: { code: string; message: string } }): void;
};

/** Where a binding's messages come from. */
export type Source = {
  eventSource: Batch['eventSource'];
  /** The consumer identity of the contract. */
  consumer: string;
  /**
   * Begins to deliver. `room` is asked before each pull: how many messages may be delivered now; `roomed` resolves when
   * that may have changed from none.
   */
  start(sink: { deliver(delivery: Delivery): void; room(): number; roomed(): Promise<void> }): void;
  /** The consumer's ack floor, read from the server now. For core and request: what the bridge has settled. */
  readFloor(): Promise<Floor>;
  /** No further delivery after it resolves. */
  stop(): Promise<void>;
  /** How long the server waits for an ack, ms; absent for sources that do not deliver again. */
  ackWait?: number;
  /** Since when no message was missed, epoch ms; absent for sources that deliver again. */
  heardSince?(): number;
};

export type InvokeFailure = 'function_error' | 'timeout' | 'malformed' | 'too_large' | 'throttled' | 'unreachable';

/**
 * The function was not entered where it is `throttled`, `unreachable` or `too_large`; the first two are nobody's failed
 * attempt, the last will never pass. A `timeout` is any answer that was lost: what it did is not known.
 */
export class InvokeError extends Error {
  override name = 'InvokeError';
  readonly kind: InvokeFailure;
  constructor(kind: InvokeFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

export type Invoker = {
  /** Calls a function by its name in the manifest. Rejects with an InvokeError. Answers what the function answered, unchecked. */
  invoke(functionName: string, batch: Batch): Promise<unknown>;
  /** Calls a function that streams its answer: its parts as they come. Rejects with an InvokeError, also after some parts. */
  invokeStreamed?(functionName: string, batch: Batch): AsyncIterable<Uint8Array>;
  /** What a record takes of an invocation's payload, bytes; absent: what it takes on the wire. */
  bytesOf?(record: BatchRecord): number;
};

export type Outgoing = {
  subject: string;
  data: string | Uint8Array;
  headers?: Headers;
  reply?: string;
  /** `Nats-Msg-Id`: the same message is stored once within the stream's deduplication window. Absent for what has no stream. */
  messageId: string;
  /** It may have been stored before, so it never goes in an atomic batch: one known id rejects the whole batch (rule 4). */
  again?: true;
};

export class PublishError extends Error {
  override name = 'PublishError';
  /** Whether the same publish may succeed later. */
  readonly retryable: boolean;
  constructor(message: string, retryable: boolean, options?: ErrorOptions) {
    super(message, options);
    this.retryable = retryable;
  }
}

export type Publisher = {
  /** Resolves when every message is stored by its stream, or flushed where no stream captures its subject. Rejects with a PublishError. */
  publish(messages: readonly Outgoing[]): Promise<void>;
  /** Sets, moves or removes alarms of a function; an older version never replaces a newer one. Rejects with a PublishError. */
  setTimers(functionName: string, timers: readonly Timer[]): Promise<void>;
  /** The largest message the server takes, headers included, bytes. */
  maxBytes(): number;
};
