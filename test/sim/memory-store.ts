/**
 * The engine's store in memory, for the simulator and for tests without a table. Everything goes through JSON both ways,
 * so that nobody holds what the table holds.
 */
import { type Clock, systemClock } from '#shared/clock.ts';
import type { EntityKey } from '#shared/entity/key.ts';
import { type Item, MAX_ITEM_BYTES, type Store, type StoredChild, type Unit, type WriteResult } from '#shared/entity/store.ts';
import { attributesOf, bytesOf, childAttributesOf, childTooLarge, oversized, toSeconds } from '#shared/table/items.ts';

/** What can fail on its own: a unit of a write, one child of several, a whole read. */
export type Operation = {
  kind: 'load' | 'write' | 'put_child' | 'delete_child' | 'children' | 'lookup' | 'overdue';
  keys: EntityKey[];
};

/**
 * Awaited before an operation has its effect, and after it. To throw fails the operation, after the effect: one that
 * landed. Never to resolve is the death of the caller.
 */
export type Intercept = (operation: Operation, phase: 'before' | 'after') => Promise<void>;

/** What is stored; several stores, each with its own `intercept`, can share it. */
export type MemoryTable = { items: Map<EntityKey, string>; children: Map<EntityKey, Map<string, string>> };

export const memoryTable = (): MemoryTable => ({ items: new Map(), children: new Map() });

/** `clock` says which children have expired. */
export const memoryStore = (of: { table?: MemoryTable; intercept?: Intercept; clock?: Clock } = {}): Store => {
  const { table = memoryTable(), intercept, clock = systemClock } = of;

  const intercepted = async <T>(kind: Operation['kind'], keys: readonly EntityKey[], effect: () => T): Promise<T> => {
    if (!intercept) return effect();
    await intercept({ kind, keys: [...keys] }, 'before');
    const result = effect();
    await intercept({ kind, keys: [...keys] }, 'after');
    return result;
  };

  const writeUnit = (unit: Unit): Promise<WriteResult> =>
    intercepted('write', keysOf(unit), () => write(table, unit)).catch((error: Error) => ({ result: 'failed', error }));

  return {
    load: (keys) => intercepted('load', keys, () => load(table, keys)),
    write: (units) => Promise.all(units.map(writeUnit)),
    putChildren: async (children) => {
      for (const child of children) refuseOversized(child);
      await all(children.map((child) => intercepted('put_child', [child.key], () => putChild(table, child))));
    },
    deleteChildren: (children) =>
      all(children.map(({ key, name }) => intercepted('delete_child', [key], () => table.children.get(key)?.delete(name)))),
    children: (key, prefix, page) => intercepted('children', [key], () => childrenOf(table, key, prefix, clock.now(), page)),
    lookup: (value, page) => intercepted('lookup', [], () => findByLookup(table, value, page)),
    overdue: (time, limit) => intercepted('overdue', [], () => findOverdue(table, time, limit)),
  };
};

const keysOf = (unit: Unit): EntityKey[] => unit.map((item) => item.key);

/** Waits for all, then throws the first error. */
const all = async (operations: Promise<unknown>[]): Promise<void> => {
  for (const { status, reason } of (await Promise.allSettled(operations)) as PromiseRejectedResult[])
    if (status === 'rejected') throw reason;
};

/** The table keeps seconds. */
const toText = (stored: Item | StoredChild): string =>
  JSON.stringify({ ...stored, ...(stored.expiresAt !== undefined && { expiresAt: toSeconds(stored.expiresAt) * 1000 }) });

const readItem = (text: string): Item => JSON.parse(text) as Item;

const load = (table: MemoryTable, keys: readonly EntityKey[]): Map<EntityKey, Item> => {
  const found = new Map<EntityKey, Item>();
  for (const key of keys) {
    const text = table.items.get(key);
    if (text) found.set(key, readItem(text));
  }
  return found;
};

const write = (table: MemoryTable, unit: Unit): WriteResult => {
  const over = oversized(
    unit,
    unit.map((item) => bytesOf(attributesOf(item))),
  );
  if (over) return { result: 'too_large', ...over };
  const stored = load(table, keysOf(unit));
  if (unit.some((item) => (stored.get(item.key)?.version ?? 0) !== item.version - 1)) return { result: 'conflict' };
  for (const item of unit) table.items.set(item.key, toText(item));
  return { result: 'written' };
};

const refuseOversized = (child: StoredChild): void => {
  const bytes = bytesOf(childAttributesOf(child));
  if (bytes > MAX_ITEM_BYTES) throw childTooLarge(child, bytes);
};

const putChild = (table: MemoryTable, child: StoredChild): void => {
  const children = table.children.get(child.key) ?? new Map<string, string>();
  table.children.set(child.key, children.set(child.name, toText(child)));
};

const childrenOf = (
  table: MemoryTable,
  key: EntityKey,
  prefix: string,
  now: number,
  { after, limit = Infinity }: { after?: string; limit?: number } = {},
): StoredChild[] =>
  [...(table.children.get(key)?.values() ?? [])]
    .map((text) => JSON.parse(text) as StoredChild)
    .filter((child) => child.name.startsWith(prefix) && (after === undefined || child.name > after) && (child.expiresAt ?? Infinity) > now)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, limit);

const findByLookup = (
  table: MemoryTable,
  value: string,
  { after, limit = Infinity }: { after?: EntityKey; limit?: number } = {},
): EntityKey[] => {
  const texts = [...table.items.values(), ...[...table.children.values()].flatMap((children) => [...children.values()])];
  const keys = texts.map((text) => JSON.parse(text) as Item | StoredChild).filter((stored) => stored.lookup === value);
  return [...new Set(keys.map((stored) => stored.key))]
    .filter((key) => after === undefined || key > after)
    .sort()
    .slice(0, limit);
};

const findOverdue = (table: MemoryTable, time: number, limit: number): EntityKey[] =>
  [...table.items.values()]
    .map(readItem)
    .map(({ key, sweepAt = Infinity }) => ({ key, sweepAt }))
    .filter(({ sweepAt }) => sweepAt <= time)
    .sort((a, b) => a.sweepAt - b.sweepAt || (a.key < b.key ? -1 : 1))
    .slice(0, limit)
    .map(({ key }) => key);
