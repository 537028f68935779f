/**
 * The statement that writes a state item if the stored version is the one before.
 *
 * DynamoDB's PartiQL takes one attribute after REMOVE, emulators take one REMOVE in a statement: so a statement removes one
 * attribute at most. That is why `expires_at` becomes NULL instead (the time to live ignores what is no number), and why a
 * statement that would remove both `lookup` and `sweep_at` asserts instead that there is no `lookup`.
 */
import type { BatchStatementRequest } from '@aws-sdk/client-dynamodb';
import { type Attribute, type ItemAttributes, STATE } from './items.ts';

const WHERE = `WHERE "pk"=? AND "sk"='${STATE}' AND "version"=?`;

/** A conflict of such a statement may also mean that there is a `lookup` to remove. */
export const assertsNoLookup = (version: number, item: ItemAttributes): boolean => version > 1 && !item.lookup && !item.sweep_at;

export const statementOf = (tableName: string, version: number, item: ItemAttributes): BatchStatementRequest =>
  version === 1 ? insert(tableName, item) : update(tableName, version, item);

const insert = (tableName: string, item: ItemAttributes): BatchStatementRequest => {
  const attributes = Object.entries(item) as [string, Attribute][];
  return {
    Statement: `INSERT INTO "${tableName}" VALUE {${attributes.map(([name]) => `'${name}':?`).join(',')}}`,
    Parameters: attributes.map(([, value]) => value),
  };
};

const update = (tableName: string, version: number, item: ItemAttributes): BatchStatementRequest => {
  const { pk, lookup, sweep_at } = item;
  const expected: Attribute[] = [pk, { N: String(version - 1) }];
  const values: Attribute[] = [item.version, item.state, item.meta, item.expires_at ?? { NULL: true }];
  const set = `UPDATE "${tableName}" SET "version"=?,"state"=?,"meta"=?,"expires_at"=?`;
  if (lookup && sweep_at)
    return { Statement: `${set},"lookup"=?,"sweep_at"=? ${WHERE}`, Parameters: [...values, lookup, sweep_at, ...expected] };
  if (lookup) return { Statement: `${set},"lookup"=? REMOVE "sweep_at" ${WHERE}`, Parameters: [...values, lookup, ...expected] };
  if (sweep_at) return { Statement: `${set},"sweep_at"=? REMOVE "lookup" ${WHERE}`, Parameters: [...values, sweep_at, ...expected] };
  return { Statement: `${set} REMOVE "sweep_at" ${WHERE} AND "lookup" IS MISSING`, Parameters: [...values, ...expected] };
};
