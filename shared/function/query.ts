/**
 * A request that is answered by reading: no entity changes, so nothing is written and nothing can conflict. What it publishes
 * goes out at most once, for nothing remembers it.
 */
import type { ErrorBody } from '#shared/contract.ts';
import type { Output } from '#shared/entity/entity.ts';
import type { Reader } from '#shared/entity/reader.ts';
import type { AnyMessage, Received } from '#shared/messages/message.ts';

export type Answered =
  | { body: unknown; publish?: Output[] }
  | { error: ErrorBody }
  /** Somebody else answers. */
  | { forward: Output[] };

export type Query<M extends AnyMessage, View> = {
  message: M;
  /** The only part that does I/O. */
  read: (request: Received<M>, reader: Reader) => Promise<View>;
  answer: (view: View, request: Received<M>, now: number) => Answered;
};

// biome-ignore-start lint/suspicious/noExplicitAny: a function answers requests of several types
export type AnyQuery = {
  message: AnyMessage;
  read: (request: any, reader: Reader) => Promise<any>;
  answer: (view: any, request: any, now: number) => Answered;
};
// biome-ignore-end lint/suspicious/noExplicitAny: a function answers requests of several types

/** Ties the type parameters of a query together. */
export const defineQuery = <M extends AnyMessage, View>(query: Query<M, View>): Query<M, View> => query;
