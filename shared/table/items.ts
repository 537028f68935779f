/**
 * How an entity and its children lie in the table.
 *
 * State and bookkeeping are JSON in string attributes, not DynamoDB maps: the table never looks inside, every attribute
 * value costs the SDK and the table CPU on each side, and a string costs once whatever is in it.
 */

import type { EntityKey } from '#shared/entity/key.ts';
import { type Item, MAX_ITEM_BYTES, type StoredChild, type Unit } from '#shared/entity/store.ts';
import { fnv1a } from '#shared/fnv1a.ts';

/** The attribute types in use. `NULL` under a name that a statement cannot also remove. */
export type Attribute = { S: string } | { N: string } | { NULL: true };
type Text = { S: string };
type Numeral = { N: string };

export type ItemAttributes = {
  pk: Text;
  sk: Text;
  version: Numeral;
  state: Text;
  /** JSON of schema, wake_at, applied, outbox and nonce. */
  meta: Text;
  /** The shard of the sweep index. An item is in the index when it has `sweep_at` too. */
  sweep: Text;
  sweep_at?: Numeral;
  lookup?: Text;
  expires_at?: Numeral | { NULL: true };
};

export type ChildAttributes = { pk: Text; sk: Text; data: Text; lookup?: Text; expires_at?: Numeral };

type Meta = Pick<Item, 'schema' | 'applied' | 'outbox' | 'nonce'> & { wake_at?: number | null };

export const STATE = 'state';
const CHILD = 'child#';

/** A partition of an index takes 1000 writes a second, and every change of an alarm is one or two. */
export const SWEEP_SHARDS = 16;

/** It only has to be the same every time and spread well. */
const shardOf = (key: string): string => String(fnv1a(key) % SWEEP_SHARDS);

/** The table's clock has seconds: an item never expires early. */
export const toSeconds = (ms: number): number => Math.ceil(ms / 1000);

export const attributesOf = (item: Item): ItemAttributes => {
  const { schema, wakeAt, applied, outbox, nonce } = item;
  const meta: Meta = { schema, ...(wakeAt !== undefined && { wake_at: wakeAt }), applied, outbox, nonce };
  return {
    pk: { S: item.key },
    sk: { S: STATE },
    version: { N: String(item.version) },
    state: { S: JSON.stringify(item.state ?? null) },
    meta: { S: JSON.stringify(meta) },
    sweep: { S: shardOf(item.key) },
    ...(item.sweepAt !== undefined && { sweep_at: { N: String(item.sweepAt) } }),
    ...(item.lookup !== undefined && { lookup: { S: item.lookup } }),
    ...(item.expiresAt !== undefined && { expires_at: { N: String(toSeconds(item.expiresAt)) } }),
  };
};

export const itemOf = (attributes: ItemAttributes): Item => {
  const { wake_at, ...meta } = JSON.parse(attributes.meta.S) as Meta;
  return {
    key: attributes.pk.S as EntityKey,
    version: Number(attributes.version.N),
    state: JSON.parse(attributes.state.S),
    ...meta,
    ...(wake_at !== undefined && { wakeAt: wake_at }),
    ...(attributes.sweep_at && { sweepAt: Number(attributes.sweep_at.N) }),
    ...(attributes.lookup && { lookup: attributes.lookup.S }),
    ...(attributes.expires_at && 'N' in attributes.expires_at && { expiresAt: Number(attributes.expires_at.N) * 1000 }),
  };
};

export const childSortKey = (name: string): string => CHILD + name;

export const childKeyOf = (child: Pick<StoredChild, 'key' | 'name'>) => ({ pk: { S: child.key }, sk: { S: childSortKey(child.name) } });

export const childAttributesOf = (child: StoredChild): ChildAttributes => ({
  ...childKeyOf(child),
  data: { S: JSON.stringify(child.data ?? null) },
  ...(child.lookup !== undefined && { lookup: { S: child.lookup } }),
  ...(child.expiresAt !== undefined && { expires_at: { N: String(toSeconds(child.expiresAt)) } }),
});

export const childOf = (attributes: ChildAttributes): StoredChild => ({
  key: attributes.pk.S as EntityKey,
  name: attributes.sk.S.slice(CHILD.length),
  data: JSON.parse(attributes.data.S),
  ...(attributes.lookup && { lookup: attributes.lookup.S }),
  ...(attributes.expires_at && { expiresAt: Number(attributes.expires_at.N) * 1000 }),
});

/** Bytes as DynamoDB counts them: UTF-8 of names and strings, two digits of a number a byte and one more. */
export const bytesOf = (attributes: ItemAttributes | ChildAttributes): number => {
  let bytes = 0;
  for (const [name, value] of Object.entries(attributes) as [string, Attribute][]) {
    bytes += name.length;
    if ('S' in value) bytes += Buffer.byteLength(value.S);
    else if ('N' in value) bytes += Math.ceil(value.N.length / 2) + 1;
    else bytes += 1;
  }
  return bytes;
};

/** DynamoDB takes 4 MB in a transaction. */
const MAX_UNIT_BYTES = 4_000_000;

/** Why a unit cannot be written: an item over the limit, or the largest of those that are too much together. */
export const oversized = (unit: Unit, bytes: readonly number[]): { key: EntityKey; bytes: number } | undefined => {
  const largest = Math.max(0, ...bytes);
  const total = bytes.reduce((sum, size) => sum + size, 0);
  const item = unit[bytes.indexOf(largest)];
  if (!item || (largest <= MAX_ITEM_BYTES && total <= MAX_UNIT_BYTES)) return undefined;
  return { key: item.key, bytes: largest > MAX_ITEM_BYTES ? largest : total };
};

/** A child that no table can hold. */
export const childTooLarge = (child: StoredChild, bytes: number): Error =>
  new Error(`child ${child.name} of ${child.key} has ${bytes} bytes, an item may have ${MAX_ITEM_BYTES}: split it`);
