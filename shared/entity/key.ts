/** How an entity is named: its kind and its id, which is one token of the wire. */

/** `<kind>#<id>`: the table's partition key. */
export type EntityKey = `${string}#${string}`;

export const keyOf = (kind: string, id: string): EntityKey => `${kind}#${id}`;

export const kindOf = (key: EntityKey): string => key.slice(0, key.indexOf('#'));

export const idOf = (key: EntityKey): string => key.slice(key.indexOf('#') + 1);
