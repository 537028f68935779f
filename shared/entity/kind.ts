/** A kind of entity: how its state is stored, and how it is read back, from an older schema too. */
import type * as z from 'zod';
import type { Item } from './store.ts';

/** How a kind of entity is stored. `upcast[n]` turns a state of schema version n into one of n + 1. */
export type Kind<State> = {
  kind: string;
  schema: z.ZodType<State>;
  version: number;
  upcast?: Record<number, (old: unknown) => unknown>;
  /** Epoch ms after which the table may forget the entity. */
  expiresAt?: (state: State) => number | undefined;
  /** A value by which `store.lookup` lists entities of this kind. */
  lookup?: (state: State) => string | undefined;
  /** For entities that the decisions of others change too: the alarm that a state wants, epoch ms; null: none. It wins over what a decision says. */
  wakeAt?: (state: State) => number | null;
};

/** Any kind: a function owns entities of several. */
// biome-ignore lint/suspicious/noExplicitAny: the one place where the type of a state does not matter
export type AnyKind = Kind<any>;

export class UnreadableState extends Error {
  override name = 'UnreadableState';
}

/** The state of an item as its kind wants it today. Throws UnreadableState, which names the entity. */
export const readState = (kind: AnyKind, item: Item): unknown => {
  if (item.state == null) return undefined;
  if (item.schema > kind.version)
    throw new UnreadableState(`${item.key} has schema version ${item.schema}, this code knows ${kind.version}: deploy the newer code`);
  let state: unknown = item.state;
  for (let version = item.schema; version < kind.version; version++) {
    const upcast = kind.upcast?.[version];
    if (!upcast)
      throw new UnreadableState(`${item.key} has schema version ${version} and no upcast to ${version + 1}: add one to the kind`);
    state = upcast(state);
  }
  const parsed = kind.schema.safeParse(state);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new UnreadableState(`${item.key} holds a state that does not parse: ${issue?.path.join('.') || 'state'}: ${issue?.message}`);
};
