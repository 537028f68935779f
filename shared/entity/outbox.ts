/**
 * What an entity still owes the bus: per applied record, the messages that its decision published, until the consumer's
 * floor says that the bridge has confirmed them (protocol, engine rules 2 and 9; "Core records").
 */
import { createHash } from 'node:crypto';
import type { PublishedOutput } from '#shared/contract.ts';
import { type Applied, isPassed } from './applied.ts';
import type { Output } from './entity.ts';
import { epochOf, isUpTo } from './epoch.ts';
import type { EntityKey } from './key.ts';
import type { Item, OutboxEntry, Store, StoredChild } from './store.ts';

/** An output as the answer carries it, without the record that caused it. */
export type Owed = Omit<PublishedOutput, 'cause'>;

/** Above so many bytes of JSON an entry is kept in child items: a state item holds 400 KB in all. */
const INLINE_BYTES = 64_000;
const PART_CHARS = 100_000;
const PART_TTL_MS = 7 * 24 * 3_600_000;

export const toOwed = (output: Output, carry: PublishedOutput['headers']): Owed => ({
  subject: output.subject,
  data: output.raw ? output.raw.data : JSON.stringify(output.body ?? {}),
  ...(output.raw?.encoding === 'base64' && { encoding: 'base64' as const }),
  ...((carry || output.headers) && { headers: { ...carry, ...output.headers } }),
  ...(output.reply && { reply: output.reply }),
});

const partPrefix = (recordId: string): string => `outbox#${recordId}#`;
export const partNames = (recordId: string, parts: number): string[] =>
  Array.from({ length: parts }, (_, n) => `${partPrefix(recordId)}${n}`);

/** About the bytes of outputs that stand in the item itself. */
export const inlineBytesOf = (outbox: Item['outbox']): number =>
  Object.values(outbox).reduce((sum, { publish = [] }) => sum + publish.reduce((bytes, { data }) => bytes + Buffer.byteLength(data), 0), 0);

/** The entry of a record, and the child items that must stand before the entry does. */
export const makeEntry = (
  at: Pick<OutboxEntry, 'consumer' | 'sequence' | 'timestamp' | 'alarms'>,
  owed: Owed[],
  of: { key: EntityKey; recordId: string; now: number; inlineBytes: number },
): { entry: OutboxEntry; parts: StoredChild[]; bytes: number } => {
  const json = JSON.stringify(owed);
  const bytes = Buffer.byteLength(json);
  if (of.inlineBytes + bytes <= INLINE_BYTES) return { entry: { ...at, publish: owed }, parts: [], bytes };
  const count = Math.ceil(json.length / PART_CHARS);
  const parts = partNames(of.recordId, count).map((name, n) => ({
    key: of.key,
    name,
    data: json.slice(n * PART_CHARS, (n + 1) * PART_CHARS),
    expiresAt: of.now + PART_TTL_MS,
  }));
  return { entry: { ...at, parts: count }, parts, bytes: 0 };
};

/** The outputs of an entry, from its child items where it is kept in parts. */
export const readEntry = async (store: Store, key: EntityKey, recordId: string, entry: OutboxEntry): Promise<Owed[]> => {
  if (!entry.parts) return entry.publish ?? [];
  const parts = await store.children(key, partPrefix(recordId), { limit: entry.parts });
  const byName = new Map(parts.map((part) => [part.name, part.data as string]));
  return JSON.parse(
    partNames(recordId, entry.parts)
      .map((name) => byName.get(name) ?? '')
      .join(''),
  ) as Owed[];
};

/** Outputs as a batch of this consumer answers them: with the epoch that decided them, where that is another one. */
export const underEpoch = (owed: Owed[], entry: OutboxEntry, consumer: string): Owed[] => {
  if (entry.consumer === consumer && entry.epoch === undefined) return owed;
  const epoch = decidedIn(entry);
  return epoch === epochOf(consumer) ? owed : owed.map((output) => ({ ...output, epoch }));
};

const decidedIn = (entry: OutboxEntry): number => entry.epoch ?? epochOf(entry.consumer);

/** The entry, owed from now on by a record of another consumer. */
export const adoptedBy = (entry: OutboxEntry, by: Pick<OutboxEntry, 'consumer' | 'sequence' | 'timestamp'>): OutboxEntry => {
  const epoch = decidedIn(entry);
  return { ...entry, ...by, ...(epoch !== epochOf(by.consumer) && { epoch }) };
};

/** Records of this consumer, and of older epochs of it, whose outputs are confirmed: the floor has passed them. */
export const confirmedRecords = (outbox: Record<string, OutboxEntry>, consumer: string, floor: Applied['floor']): string[] =>
  Object.keys(outbox).filter((recordId) => {
    const entry = outbox[recordId];
    return entry !== undefined && isUpTo(entry.consumer, consumer) && isPassed(floor, entry);
  });

const coreBinding = (consumer: string): string | undefined => /^(?:core|request)@\d+\/(.+)\.[^.]+$/.exec(consumer)?.[1];

/** Records whose outputs are unconfirmed since `before`, epoch ms: the sweep answers them again. */
export const overdueRecords = (outbox: Record<string, OutboxEntry>, before: number): string[] =>
  Object.keys(outbox).filter((recordId) => (outbox[recordId]?.timestamp ?? before) < before);

/**
 * Records of a core binding that another bridge (or this one before it died) received: nobody will deliver them again, so
 * whoever touches the entity next owes their outputs.
 */
export const orphanedRecords = (outbox: Record<string, OutboxEntry>, consumer: string): string[] => {
  const binding = coreBinding(consumer);
  if (!binding) return [];
  return Object.keys(outbox).filter((recordId) => {
    const owner = outbox[recordId]?.consumer ?? '';
    return owner !== consumer && coreBinding(owner) === binding;
  });
};

/** A token of 22 characters that is the same for the same text. */
export const tokenOf = (text: string): string => createHash('sha256').update(text).digest('base64url').slice(0, 22);
