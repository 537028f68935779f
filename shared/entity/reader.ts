/** Reads entities and their children as their kinds describe them, whoever owns them. What a function reads it does not write. */
import { type EntityKey, idOf, keyOf } from './key.ts';
import { type AnyKind, type Kind, readState } from './kind.ts';
import type { Store } from './store.ts';

type Page = { /** The last one of the page before. */ after?: string; limit?: number };

export type Reader = {
  /** States by id, consistent. An entity that there is not, or whose state does not parse, is left out. */
  load<State>(kind: Kind<State>, ids: readonly string[]): Promise<Map<string, State>>;
  /** Ids of the kind's entities that have this lookup value, themselves or by a child; in order, eventually consistent. */
  lookup(kind: AnyKind, value: string, page?: Page): Promise<string[]>;
  /** Data of an entity's children by name, consistent. */
  children(kind: AnyKind, id: string, prefix: string, page?: Page): Promise<Map<string, unknown>>;
  /** Keys of all functions' entities that the sweep should have looked at before a time (epoch ms), oldest first, eventually consistent. */
  overdue(before: number, limit: number): Promise<EntityKey[]>;
};

export const readerOf = (store: Pick<Store, 'load' | 'lookup' | 'children' | 'overdue'>): Reader => {
  const load = together(store);
  return {
    load: async <State>(kind: Kind<State>, ids: readonly string[]) => {
      const keys = [...new Set(ids)].map((id) => keyOf(kind.kind, id));
      const items = keys.length === 0 ? new Map() : await load(keys);
      const states = new Map<string, State>();
      for (const key of keys) {
        const item = items.get(key);
        if (!item) continue;
        try {
          const state = readState(kind, item) as State | undefined;
          if (state !== undefined) states.set(idOf(key), state);
        } catch {
          // Its owner says so when it is next written; whoever only reads can do without it.
        }
      }
      return states;
    },
    lookup: async (kind, value, { after, limit } = {}) => {
      const keys = await store.lookup(value, {
        ...(after !== undefined && { after: keyOf(kind.kind, after) }),
        ...(limit !== undefined && { limit }),
      });
      return keys.map(idOf);
    },
    children: async (kind, id, prefix, page) => {
      const stored = await store.children(keyOf(kind.kind, id), prefix, page);
      return new Map(stored.map(({ name, data }) => [name, data]));
    },
    overdue: store.overdue,
  };
};

/** What is asked for before anybody waits is one call of the table. */
const together = ({ load }: Pick<Store, 'load'>): Store['load'] => {
  let next: { keys: EntityKey[]; items: ReturnType<Store['load']> } | undefined;
  const begin = () => {
    const keys: EntityKey[] = [];
    const items = Promise.resolve().then(() => {
      next = undefined;
      return load([...new Set(keys)]);
    });
    return { keys, items };
  };
  return (keys) => {
    next ??= begin();
    next.keys.push(...keys);
    return next.items;
  };
};
