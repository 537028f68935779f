/** The writes of a round: one conditional write an entity, or one transaction for entities that were changed together (rules 5 and 8). */
import type { EntityKey } from './key.ts';
import { failTask, type Outcome, type Run, retryLater, sentence, type Task, tryAgain } from './run.ts';
import { type Item, MAX_ITEM_BYTES, type StoredChild, type WriteResult } from './store.ts';
import { markApplied, toItem, type Working } from './working.ts';

/** Writes the groups that changed. Outcomes of what is written or unchanged become final, the rest fails or goes into the next round. */
export const writeGroups = async (run: Run, groups: Set<Working[]>): Promise<void> => {
  const changed: Working[][] = [];
  for (const group of groups) {
    if (group.some(isUnsure)) tryAgain(run, abandon(run, group));
    else if (group.some((working) => working.dirty)) changed.push(group);
    else for (const working of group) settle(run, working);
  }
  if (changed.length === 0) return;
  const { store, clock } = run.engine;
  // What changed nothing is recorded all the same, now that the entity is written (rule 4).
  for (const working of changed.flat()) for (const at of working.noops) markApplied(working, run.batch.consumer, run.floor, at);
  const put = changed.flatMap((group) => group.flatMap((working) => [...working.put.values()]));
  if (isTooLate(run)) return fail(run, changed, tooLate);
  try {
    if (put.length > 0) await store.putChildren(put);
  } catch (error) {
    return fail(run, changed, retryLater('table_unavailable', sentence(error), error));
  }
  if (isTooLate(run)) return fail(run, changed, tooLate);
  const units = changed.map((group) =>
    group.filter((working) => working.dirty).map((working) => toItem(working, run.invocation, clock.now())),
  );
  const results = await resolved(run, units, await store.write(units));
  const drop: Pick<StoredChild, 'key' | 'name'>[] = [];
  for (const [n, group] of changed.entries()) {
    const result = results[n];
    switch (result?.result) {
      case 'written':
        for (const { key, drop: names } of group) for (const name of names) drop.push({ key, name });
        written(run, group, units[n] as Item[]);
        break;
      case 'too_large':
        tooLarge(run, group, result);
        break;
      case 'failed':
        fail(run, [group], retryLater('table_unavailable', sentence(result.error), result.error));
        break;
      default:
        tryAgain(run, abandon(run, group));
    }
  }
  // What is no longer counted is only waste: the time to live removes what a failure leaves.
  if (drop.length > 0 && !isTooLate(run)) await store.deleteChildren(drop).catch(() => undefined);
};

/** Taken for new, and its write would not find out, or not before children are put over those of what is there. */
const isUnsure = ({ guessed, dirty, put }: Working): boolean => guessed && (!dirty || put.size > 0);

const isTooLate = (run: Run): boolean => run.engine.clock.now() >= run.deadline;
const tooLate = retryLater('deadline', 'the invocation ran out of time before it could write');

/** A conflict with this invocation's own write, which the SDK tried again after its answer was lost, is none. */
const resolved = async (run: Run, units: Item[][], results: WriteResult[]): Promise<WriteResult[]> => {
  const conflicts = units.filter((_, n) => results[n]?.result === 'conflict');
  if (conflicts.length === 0) return results;
  const keys = conflicts.flatMap((unit) => unit.map((item) => item.key));
  const stored = await run.engine.store.load(keys).catch((error: Error) => error);
  return results.map((result, n): WriteResult => {
    if (result.result !== 'conflict') return result;
    if (stored instanceof Error) return { result: 'failed', error: stored };
    const ours = units[n]?.every(({ key, version }) => {
      const there = stored.get(key);
      return there?.nonce.split(' ')[there.version - version] === run.invocation;
    });
    return ours ? { result: 'written' } : result;
  });
};

const written = (run: Run, group: Working[], unit: Item[]): void => {
  for (const working of group) {
    const item = unit.find(({ key }) => key === working.key);
    if (item) Object.assign(working, { version: item.version, nonce: item.nonce });
    run.seen.delete(working.key);
    Object.assign(working, { guessed: false, dirty: false, noops: [], put: new Map(), drop: new Set(), group: [working] });
    settle(run, working);
    // Others' decisions may have moved it.
    if (item && working.kind.wakeAt) oweTimer(run, working);
  }
};

/** Its outcomes are final, and its alarm is owed (rule 7). */
const settle = (run: Run, working: Working): void => {
  const outcomes = run.tentative.get(working);
  if (!outcomes) return;
  for (const [task, outcome] of outcomes) run.outcomes.set(task.id, outcome);
  run.tentative.delete(working);
  oweTimer(run, working);
};

const oweTimer = (run: Run, working: Working): void => {
  if (working.wakeAt === undefined || working.version === 0) return;
  const key = working.key.replace('#', '.');
  const wakeAt = working.wakeAt === null ? null : Math.min(working.checkAt ?? Infinity, working.wakeAt);
  run.timers.set(key, { key, at: wakeAt === null ? null : new Date(wakeAt).toISOString(), version: working.version });
};

/** What was decided on these states is void, and nothing more may be: answers the records that were. */
const abandon = (run: Run, group: Working[]): Task[] => {
  run.abandoned = true;
  return group.flatMap((working) => {
    const tasks = (run.tentative.get(working) ?? []).map(([task]) => task);
    run.tentative.delete(working);
    run.working.delete(working.key);
    run.seen.delete(working.key);
    return tasks;
  });
};

const fail = (run: Run, groups: Working[][], outcome: Outcome): void => {
  for (const group of groups) for (const task of abandon(run, group)) failTask(run, task, outcome);
};

/** An item that would not fit is refused before it is lost: the record that makes it too large is, and only that one. */
const tooLarge = (run: Run, group: Working[], { key, bytes }: { key: EntityKey; bytes: number }): void => {
  const tasks = abandon(run, group);
  const [only] = tasks;
  if (tasks.length === 1 && only) {
    const message = `${key} would grow to ${bytes} bytes, an entity may have ${MAX_ITEM_BYTES}: keep what grows in children`;
    run.outcomes.set(only.id, { result: 'failed', failure: { deadLetter: true, reason: { code: 'entity_too_large', message } } });
    return;
  }
  for (const task of tasks) run.oneByOne.add(task.key);
  tryAgain(run, tasks);
};
