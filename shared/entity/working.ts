/** An entity while a batch is decided: what was loaded, what it is by now, and what waits for its write. */
import { type Applied, isCovered, isPassed, joinFloors, type Position, raiseFloor, record } from './applied.ts';
import { epochOf, otherEpochs } from './epoch.ts';
import type { EntityKey } from './key.ts';
import { type AnyKind, readState } from './kind.ts';
import { confirmedRecords, type Owed, partNames } from './outbox.ts';
import type { Item, OutboxEntry, StoredChild } from './store.ts';

export type Working = {
  key: EntityKey;
  kind: AnyKind;
  /** The stored version; 0: not stored. */
  version: number;
  state: unknown;
  wakeAt: number | null | undefined;
  /** Before `wakeAt`, known to the timer alone. */
  checkAt: number | undefined;
  nonce: string;
  /** It was taken for new without a look: its first write finds out. */
  guessed: boolean;
  applied: Record<string, Applied>;
  /** Of them, those of the batch's consumer before or after a reset (bridge rule 10). */
  otherEpochs: Applied[];
  outbox: Record<string, OutboxEntry>;
  /** Bytes of the outputs in the item itself, counted when the first is added. */
  outboxBytes: number | undefined;
  dirty: boolean;
  /** The sweep sent this batch's alarm: what is owed for long is answered again, and the item is given a new time. */
  swept: boolean;
  /** Records that changed nothing: written down only if the entity is written anyway (rule 4). */
  noops: Position[];
  /** Child items to put before, and names to delete after the write. */
  put: Map<string, StoredChild>;
  drop: Set<string>;
  /** All that must be written together with it, itself included. */
  group: Working[];
  /** No record of the batch's consumer above this sequence is in `applied`. */
  highest: number;
  /** Outputs of records that are kept in parts, by record id. */
  parts: Map<string, Owed[]>;
  /** Loaded when a decision asks for them. */
  children?: Map<string, unknown>;
};

/** After so long without the write or the alarm that it waits for, the sweep looks at an entity. */
export const SWEEP_GRACE_MS = 60_000;

export const toWorking = (key: EntityKey, kind: AnyKind, item: Item | undefined, guessed = false): Working => {
  const working: Working = {
    key,
    kind,
    version: item?.version ?? 0,
    state: item === undefined ? undefined : readState(kind, item),
    wakeAt: item?.wakeAt,
    checkAt: undefined,
    nonce: item?.nonce ?? '',
    guessed,
    applied: { ...item?.applied },
    otherEpochs: [],
    outbox: { ...item?.outbox },
    outboxBytes: undefined,
    dirty: false,
    swept: false,
    noops: [],
    put: new Map(),
    drop: new Set(),
    group: [],
    highest: 0,
    parts: new Map(),
  };
  working.group.push(working);
  return working;
};

/** Raises the consumer's floor and lets go of what it passes. Written only when something else is. */
export const seeFloor = (working: Working, consumer: string, floor: Applied['floor']): void => {
  const before = working.applied[consumer];
  if (before) working.applied[consumer] = raiseFloor(before, floor);
  for (const other of otherEpochs(Object.keys(working.applied), consumer))
    if (epochOf(other) < epochOf(consumer)) supersede(working, other, consumer, floor);
  for (const recordId of confirmedRecords(working.outbox, consumer, floor)) {
    for (const name of partNames(recordId, working.outbox[recordId]?.parts ?? 0)) working.drop.add(name);
    delete working.outbox[recordId];
  }
};

/** Forgets an older epoch once the newer one has settled all that is known of it, and stands for both. */
const supersede = (working: Working, older: string, newer: string, floor: Applied['floor']): void => {
  const before = working.applied[older] as Applied;
  const after = working.applied[newer] ?? { floor, above: [] };
  if (!isCovered(before, after.floor)) return;
  working.applied[newer] = { ...after, floor: joinFloors(before.floor, after.floor) };
  delete working.applied[older];
};

export const markApplied = (working: Working, consumer: string, floor: Applied['floor'], at: Position, tombstone = false): void => {
  working.applied[consumer] ??= { floor, above: [] };
  const applied = working.applied[consumer];
  if (isPassed(applied.floor, at)) return;
  record(applied, at, tombstone);
  working.highest = Math.max(working.highest, at.sequence);
};

/** Joins two groups: from now on one transaction writes both. */
export const join = (a: Working, b: Working): void => {
  if (a.group === b.group) return;
  const joined = [...a.group, ...b.group];
  for (const working of joined) working.group = joined;
};

export const toItem = (working: Working, invocation: string, now: number): Item => {
  const owes = Object.keys(working.outbox).length > 0;
  const owedAt = owes ? now + SWEEP_GRACE_MS : Infinity;
  const alarmAt = working.wakeAt == null ? Infinity : Math.max(working.wakeAt, now) + SWEEP_GRACE_MS;
  // Whole minutes: the index is written only when the value changes.
  const sweepAt = Math.ceil(Math.min(owedAt, alarmAt) / 60_000) * 60_000;
  const expiresAt = working.state === undefined ? now + 7 * 24 * 3_600_000 : working.kind.expiresAt?.(working.state);
  const lookup = working.state === undefined ? undefined : working.kind.lookup?.(working.state);
  return {
    key: working.key,
    version: working.version + 1,
    schema: working.kind.version,
    state: working.state ?? null,
    applied: working.applied,
    outbox: working.outbox,
    nonce: [invocation, ...working.nonce.split(' ').slice(0, 2)].join(' ').trim(),
    ...(working.wakeAt !== undefined && { wakeAt: working.wakeAt }),
    ...(Number.isFinite(sweepAt) && { sweepAt }),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(lookup !== undefined && { lookup }),
  };
};
