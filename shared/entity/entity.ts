/**
 * An entity: state under one key, changed only by a pure `decide`. What a function writes for each kind of thing it owns
 * (emmett's Decider, with OTP's habit of answering what to do next).
 */
import type { ErrorBody, Headers } from '#shared/contract.ts';
import type { AnyMessage, Received } from '#shared/messages/message.ts';
import type { EntityKey } from './key.ts';
import type { AnyKind, Kind } from './kind.ts';
import type { Reader } from './reader.ts';

/** A message to publish. `body` is sent as JSON; `raw` as it is. */
export type Output = {
  subject: string;
  body?: unknown;
  raw?: { data: string; encoding: 'utf8' | 'base64' };
  headers?: Headers;
  reply?: string;
};

/** A part of an entity that is too many or too large for its state: an item of its own under the same key. */
export type Child = {
  /** The sort key, made from the record or from a domain id, so that writing it again is the same write. */
  name: string;
  data: unknown;
  /** A value by which `store.lookup` finds the entity (`agent.capability=ocr`). */
  lookup?: string;
  /** Epoch ms after which the table may forget it. */
  expiresAt?: number;
};

/** The alarm of an entity went off: look at the state whether it is really time. */
export type Alarm = {
  message: 'alarm';
  due: number;
  key: EntityKey;
  /** Since when all that is said to the function outside of streams was heard, epoch ms; absent: it hears nothing there. */
  heardSince?: number;
  /** The sweep rings, because the alarm is overdue or outputs are unconfirmed: no time was set for it. */
  swept?: true;
};

export type Decision<State> =
  | {
      outcome: 'done';
      /** The state from now on; absent: as it was. */
      state?: State;
      publish?: Output[];
      /** When to be woken, epoch ms; null: never; absent: as it was. */
      wakeAt?: number | null;
      /**
       * When to be woken before that, epoch ms. Only the timer is told, so this alone costs no write; what forgets it has
       * `wakeAt` behind it. It holds until the entity is touched again.
       */
      checkAt?: number;
      /** The answer to a request. */
      reply?: { body: unknown } | { error: ErrorBody };
      /** Children to put, before the state that counts them. */
      children?: Child[];
      /** Names of children that the new state no longer counts. */
      drop?: string[];
      /** New states of further entities of this function: one transaction. Only keys named by `also` or `shared`. */
      also?: Record<EntityKey, unknown>;
    }
  | { outcome: 'retry'; afterMs: number; reason: ErrorBody }
  | { outcome: 'deadLetter'; reason: ErrorBody };

/** What `decide` may know besides state and message. */
export type Context<Settings = unknown, View = unknown> = {
  /** Epoch ms; for an alarm never before its due time. */
  now: number;
  /** The entity's id. */
  id: string;
  /** The id of the record being decided. */
  recordId: string;
  /** A token made from the record and `salt`: the same at every attempt. */
  newId(salt?: string): string;
  /** The alarm as it is. */
  wakeAt: number | null;
  settings: Settings;
  /** The state of an entity named by `also` or `shared`, as it is in this batch by now. */
  also: <State>(kind: Kind<State>, id: string) => State | undefined;
  /** What `read` read at the start of the batch. */
  view: View;
  /** Children of this entity by name, when `needsChildren` said so. */
  children: ReadonlyMap<string, unknown>;
};

export type EntitySpec<State, M extends AnyMessage, Settings = unknown, View = unknown> = {
  of: Kind<State>;
  accepts: readonly M[];
  /** The id of the entity that a message is about. */
  id: (event: Received<M>) => string;
  decide: (state: State | undefined, event: Received<M> | Alarm, context: Context<Settings, View>) => Decision<State>;
  /** What the decisions of a batch have to know of others: read once, before them. The only part that does I/O. */
  read?: (events: readonly (Received<M> | Alarm)[], reader: Reader) => Promise<View>;
  /** Further entities of this function that the decision reads or changes. */
  also?: (state: State | undefined, event: Received<M> | Alarm, view: View) => EntityKey[];
  /** Further entities of this function that any decision of the batch may read or change: loaded once. */
  shared?: (view: View) => EntityKey[];
  needsChildren?: (state: State | undefined, event: Received<M> | Alarm) => boolean;
  /** Whether a message is the first that is heard of its entity, but for repetitions: then it is not loaded before its first write. */
  begins?: (event: Received<M>) => boolean;
};

/** What the engine knows of a spec: a function owns entities of several types. */
// biome-ignore-start lint/suspicious/noExplicitAny: typed again inside each spec
export type AnySpec = {
  of: AnyKind;
  accepts: readonly AnyMessage[];
  id: (event: any) => string;
  decide: (state: any, event: any, context: any) => Decision<any>;
  read?: (events: readonly any[], reader: Reader) => Promise<any>;
  also?: (state: any, event: any, view: any) => EntityKey[];
  shared?: (view: any) => EntityKey[];
  needsChildren?: (state: any, event: any) => boolean;
  begins?: (event: any) => boolean;
};
// biome-ignore-end lint/suspicious/noExplicitAny: typed again inside each spec

/** Ties the type parameters of a spec together. */
export const defineEntity = <State, M extends AnyMessage, Settings = unknown, View = unknown>(spec: EntitySpec<State, M, Settings, View>) =>
  spec;

export type Done<State> = Extract<Decision<State>, { outcome: 'done' }>;

/** The common decision: `done()` changes nothing. */
export const done = <State>(change: Omit<Done<State>, 'outcome'> = {}): Decision<State> => ({
  outcome: 'done',
  ...change,
});
