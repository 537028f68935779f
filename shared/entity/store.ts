/**
 * What the engine asks of a table. Two stores pass one contract suite (`test/support/store-contract.ts`): DynamoDB
 * (`shared/table`) and the simulator's.
 */
import type { PublishedOutput } from '#shared/contract.ts';
import type { Applied } from './applied.ts';
import type { EntityKey } from './key.ts';

/** What a record decided to publish: in place, or in `parts` child items where it is too large for the item. */
export type OutboxEntry = {
  /** The consumer identity and sequence that a floor must pass before the entry may go. */
  consumer: string;
  sequence: number;
  timestamp: number;
  /** Under which it was decided, where that is not its consumer's: the message ids were made with it. */
  epoch?: number;
  publish?: Omit<PublishedOutput, 'cause'>[];
  parts?: number;
  /** Entities that were changed together with this one, and whose alarms are owed, too. */
  alarms?: EntityKey[];
};

/** The state item of an entity. `state` is plain data. */
export type Item = {
  key: EntityKey;
  version: number;
  schema: number;
  state: unknown;
  /** Epoch ms; null: there was one and is none now; absent: there never was. */
  wakeAt?: number | null;
  /** By consumer identity. */
  applied: Record<string, Applied>;
  /** By record id. */
  outbox: Record<string, OutboxEntry>;
  /** The invocations that wrote this version and the two before it, newest first: its own retry of a write that landed is not a conflict. */
  nonce: string;
  /** Epoch ms from which the sweep looks at it: the alarm is overdue or the outbox is old. */
  sweepAt?: number;
  expiresAt?: number;
  lookup?: string;
};

export type StoredChild = { key: EntityKey; name: string; data: unknown; lookup?: string; expiresAt?: number };

/** Items that are written together or not at all. `version` of an item is the new one; it replaces `version - 1` (0: no item). */
export type Unit = Item[];

/** conflict: a version was not the expected one. too_large: an item is over the table's limit. Both: nothing of the unit was written. */
export type WriteResult =
  | { result: 'written' }
  | { result: 'conflict' }
  | { result: 'too_large'; key: EntityKey; bytes: number }
  | { result: 'failed'; error: Error };

export type Store = {
  /** Consistent. A missing entity has no entry. Throws when the table cannot be read. */
  load(keys: readonly EntityKey[]): Promise<Map<EntityKey, Item>>;
  /** One result a unit, in order. Never throws. */
  write(units: readonly Unit[]): Promise<WriteResult[]>;
  putChildren(children: readonly StoredChild[]): Promise<void>;
  deleteChildren(children: readonly Pick<StoredChild, 'key' | 'name'>[]): Promise<void>;
  /** Children whose name begins with `prefix`, by name, consistent. */
  children(key: EntityKey, prefix: string, page?: { after?: string; limit?: number }): Promise<StoredChild[]>;
  /** Keys of entities (or of parents of children) with this lookup value, by key, eventually consistent. */
  lookup(value: string, page?: { after?: EntityKey; limit?: number }): Promise<EntityKey[]>;
  /** Keys of entities whose `sweepAt` is at or before `time`, oldest first, eventually consistent. */
  overdue(time: number, limit: number): Promise<EntityKey[]>;
};

/** Bytes of an item, beyond which a store answers `too_large`. DynamoDB's limit is 400 KB (409,600 bytes), names included. */
export const MAX_ITEM_BYTES = 400_000;
