/** What a round needs from the table before it decides: entities, what others own, children, outputs kept in parts. */
import { type Applied, highest } from './applied.ts';
import type { AnySpec } from './entity.ts';
import { otherEpochs } from './epoch.ts';
import { type EntityKey, kindOf } from './key.ts';
import { adoptedBy, type Owed, orphanedRecords, overdueRecords, readEntry, underEpoch } from './outbox.ts';
import { readerOf } from './reader.ts';
import type { Run, Task } from './run.ts';
import type { Item } from './store.ts';
import { SWEEP_GRACE_MS, seeFloor, toWorking, type Working } from './working.ts';

/** Loads in few calls what most records need. Throws when the table cannot be read. */
export const loadRound = async (run: Run, tasks: readonly Task[]): Promise<void> => {
  for (const { spec } of tasks) run.kinds.set(spec.of.kind, spec.of);
  if (run.rounds === 0) for (const task of tasks) if (isFirst(run, task)) take(run, task.key, undefined, true);
  await loadMissing(
    run,
    tasks.map((task) => task.key),
  );
  if (run.batch.settle) return;
  const reader = readerOf({ ...run.engine.store, load: (keys) => loadOnce(run, keys) });
  for (const [spec, theirs] of Map.groupBy(tasks, (task) => task.spec)) {
    if (!spec.read) continue;
    const events = theirs.map((task) => task.event);
    const view = await spec.read(events, reader);
    run.views.set(spec, view);
    if (spec.shared) run.shared.set(spec, spec.shared(view));
  }
  await loadMissing(run, [...[...run.shared.values()].flat(), ...tasks.flatMap((task) => alsoKeys(run, task))]);
};

/** What the record's decision may name besides its own entity. */
const alsoKeys = (run: Run, { spec, key, event }: Task): EntityKey[] =>
  spec.also?.(run.working.get(key)?.state, event, run.views.get(spec as AnySpec)) ?? [];

/** What the record's decision may touch besides its own entity. What is shared was loaded with the round, unless a write failed since. */
const otherKeys = (run: Run, task: Task): EntityKey[] => {
  const keys = task.spec.also ? alsoKeys(run, task) : [];
  return run.abandoned ? [...keys, ...(run.shared.get(task.spec) ?? [])] : keys;
};

const loadMissing = async (run: Run, keys: readonly EntityKey[]): Promise<void> => {
  const missing = [...new Set(keys)].filter((key) => !isLoaded(run, key));
  if (missing.length === 0) return;
  const items = await loadOnce(run, missing);
  for (const key of missing) take(run, key, items.get(key));
};

/** What was seen in this round is not loaded again: a write is checked against the version that was seen. */
const loadOnce = async (run: Run, keys: readonly EntityKey[]): Promise<Map<EntityKey, Item>> => {
  const unseen = keys.filter((key) => !run.seen.has(key));
  if (unseen.length > 0) {
    const items = await run.engine.store.load(unseen);
    for (const key of unseen) run.seen.set(key, items.get(key));
  }
  return new Map(keys.flatMap((key) => run.seen.get(key) ?? []).map((item) => [item.key, item]));
};

/** Whether there can hardly be such an entity yet: its first write finds out. Not loaded, it costs nothing where that is so. */
const isFirst = ({ durable, batch }: Run, { spec, event, record }: Task): boolean =>
  durable && !batch.settle && record.deliveries === 1 && event.message !== 'alarm' && (spec.begins?.(event) ?? false);

const isLoaded = (run: Run, key: EntityKey): boolean => run.working.has(key) || run.unreadable.has(key);

const take = (run: Run, key: EntityKey, item: Item | undefined, guessed = false): void => {
  const kind = run.kinds.get(kindOf(key));
  if (!kind) throw new Error(`${key} is of no kind that this function owns: list its kind`);
  try {
    const working = toWorking(key, kind, item, guessed);
    for (const [consumer, floor] of run.floors) seeFloor(working, consumer, floor);
    const applied = working.applied[run.batch.consumer];
    if (applied) working.highest = highest(applied);
    for (const other of otherEpochs(Object.keys(working.applied), run.batch.consumer))
      working.otherEpochs.push(working.applied[other] as Applied);
    working.swept = run.alarms && item?.sweepAt !== undefined && item.sweepAt <= run.engine.clock.now();
    run.working.set(key, working);
  } catch (error) {
    run.unreadable.set(key, error as Error);
  }
};

/** Whether a record needs more than the round has loaded. Most do not, and are decided without waiting. */
export const needsMore = (run: Run, task: Task): boolean => {
  const working = run.working.get(task.key);
  if (!working) return !run.unreadable.has(task.key);
  if (working.swept || toAdopt(run, working, task).length > 0 || isKeptInParts(working, task)) return true;
  if (owedAlarms(working, task).some((key) => !isLoaded(run, key))) return true;
  // A settle decides nothing, so it needs nothing but what was decided before.
  if (run.batch.settle) return false;
  if (otherKeys(run, task).some((key) => !isLoaded(run, key))) return true;
  return working.children === undefined && (task.spec.needsChildren?.(working.state, task.event) ?? false);
};

export const loadMore = async (run: Run, task: Task): Promise<void> => {
  await loadMissing(run, [task.key]);
  const working = run.working.get(task.key);
  if (!working) return;
  if (isKeptInParts(working, task)) {
    const entry = working.outbox[task.id];
    if (entry) working.parts.set(task.id, await readEntry(run.engine.store, working.key, task.id, entry));
  }
  await adopt(run, working, task);
  await loadMissing(run, owedAlarms(working, task));
  if (run.batch.settle) return;
  await loadMissing(run, otherKeys(run, task));
  if (task.spec.needsChildren?.(working.state, task.event)) await loadChildren(run, working);
};

const isKeptInParts = (working: Working, task: Task): boolean =>
  working.outbox[task.id]?.parts !== undefined && !working.parts.has(task.id);

/** Of a record that was applied: the other entities that it changed, whose alarms follow from their states. */
export const owedAlarms = (working: Working, task: Task): readonly EntityKey[] => working.outbox[task.id]?.alarms ?? NO_ALARMS;

const NO_ALARMS: readonly EntityKey[] = [];

/** What the record decided to publish when it was applied. */
export const storedOutputs = (run: Run, working: Working, task: Task): Owed[] => {
  const entry = working.outbox[task.id];
  return entry ? underEpoch(working.parts.get(task.id) ?? entry.publish ?? [], entry, run.batch.consumer) : [];
};

const loadChildren = async (run: Run, working: Working): Promise<void> => {
  if (working.children) return;
  const stored = await run.engine.store.children(working.key, '');
  working.children = new Map(stored.filter((child) => !child.name.startsWith('outbox#')).map((child) => [child.name, child.data]));
  for (const child of working.put.values()) working.children.set(child.name, child.data);
  for (const name of working.drop) working.children.delete(name);
};

/** What this record adopts, or adopted in an invocation whose answer was lost. */
const toAdopt = (run: Run, working: Working, { id, at }: Task): string[] => {
  if (!run.durable && !run.batch.settle) return orphanedRecords(working.outbox, run.batch.consumer);
  if (run.durable && !run.alarms) return [];
  const overdue = working.swept ? overdueRecords(working.outbox, run.engine.clock.now() - SWEEP_GRACE_MS) : [];
  const adopted = Object.entries(working.outbox).filter(
    ([recordId, entry]) =>
      recordId !== id && entry.consumer === run.batch.consumer && entry.sequence === at.sequence && entry.timestamp === at.timestamp,
  );
  return [...new Set([...overdue, ...adopted.map(([recordId]) => recordId)])];
};

/**
 * Outputs that nobody else will answer: those of core records of a bridge that died (protocol, "Core records"), and, for
 * the sweep, those that are unconfirmed for long. From now on they are owed by this record.
 */
const adopt = async (run: Run, working: Working, task: Task): Promise<void> => {
  for (const recordId of toAdopt(run, working, task)) {
    const entry = working.outbox[recordId];
    if (!entry) continue;
    const owed = underEpoch(await readEntry(run.engine.store, working.key, recordId, entry), entry, run.batch.consumer);
    for (const [n, output] of owed.entries()) run.carried.set(`${recordId}:${n}`, { cause: recordId, ...output });
    if (entry.consumer === run.batch.consumer && entry.sequence === task.at.sequence) continue;
    working.outbox[recordId] = adoptedBy(entry, { consumer: run.batch.consumer, ...task.at });
    working.dirty = true;
  }
  // The sweep wants to see it at another time.
  if (working.swept) Object.assign(working, { swept: false, dirty: true });
};
