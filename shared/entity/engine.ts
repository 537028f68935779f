/**
 * The entity engine: a batch in, what to publish out, one conditional write an entity. It implements the part "The
 * engine" of docs/protocol.md; rule numbers in this folder are its numbers.
 *
 * A batch runs in rounds. A round loads the entities (`load.ts`), decides every record in order on what was loaded
 * (`decide-task.ts`), and writes what changed (`write.ts`). Records whose entity was changed by somebody else meanwhile go
 * into the next round.
 */
import { sleep } from '#shared/clock.ts';
import type { Batch, PublishedOutput, Timer } from '#shared/contract.ts';
import { decideTask } from './decide-task.ts';
import { loadMore, loadRound, needsMore } from './load.ts';
import {
  type Engine,
  failTask,
  isHeldBack,
  newRun,
  type Outcome,
  type Run,
  retryLater,
  sentence,
  type Task,
  toTask,
  type Work,
} from './run.ts';
import { writeGroups } from './write.ts';

export type EngineAnswer = {
  /** By record id, in the order of the batch. */
  outcomes: Map<string, Outcome>;
  /** Outputs of records that are not in the batch but that nobody else will answer. */
  carried: PublishedOutput[];
  timers: Timer[];
};

const MAX_ROUNDS = 12;

/** Decides the records of a batch. `invocation` names this call: it is the nonce of what it writes. */
export const runBatch = async (engine: Engine, batch: Batch, works: readonly Work[], invocation: string): Promise<EngineAnswer> => {
  const run = newRun(engine, batch, invocation);
  // Rule 3: a record seen twice counts once.
  const tasks = [...new Map(works.map((work) => [work.record.id, toTask(work)])).values()];
  let pending = tasks;
  for (let round = 0; pending.length > 0 && round < MAX_ROUNDS; round++) {
    if (round > 0) await sleep(engine.clock, engine.random() * Math.min(500, 5 * 2 ** round));
    await runRound(run, pending, round);
    const again = new Set(run.again);
    // In the order in which they came, whatever sent each of them into the next round.
    pending = pending.filter((task) => again.has(task));
  }
  for (const task of pending) run.outcomes.set(task.id, retryLater('conflict', `${task.key} is written by too many at once`));
  const outcomes = new Map(tasks.map(({ id }) => [id, run.outcomes.get(id) as Outcome]));
  return { outcomes, carried: [...run.carried.values()], timers: [...run.timers.values()] };
};

const runRound = async (run: Run, tasks: readonly Task[], rounds: number): Promise<void> => {
  Object.assign(run, {
    rounds,
    seen: new Map(),
    working: new Map(),
    unreadable: new Map(),
    views: new Map(),
    shared: new Map(),
    abandoned: false,
    tentative: new Map(),
    again: [],
    holding: new Map(),
  } satisfies Partial<Run>);
  try {
    await loadRound(run, tasks);
  } catch (error) {
    const outcome = retryLater('table_unavailable', sentence(error), error);
    for (const task of tasks) run.outcomes.set(task.id, outcome);
    return;
  }
  for (const task of tasks) {
    if (isHeldBack(run, task)) continue;
    // Most records need nothing but what is loaded: waiting for nothing thousands of times would cost as much as deciding.
    if (run.oneByOne.size > 0 || !isReady(run, task) || decideTask(run, task)) await runTask(run, task);
  }
  await writeGroups(run, new Set(run.working.values().map((working) => working.group)));
};

const isReady = (run: Run, task: Task): boolean => {
  try {
    return !needsMore(run, task);
  } catch {
    // What a spec throws is told where its record is decided.
    return false;
  }
};

const runTask = async (run: Run, task: Task): Promise<void> => {
  for (let full = true; full; ) {
    try {
      if (needsMore(run, task)) await loadMore(run, task);
    } catch (error) {
      return failTask(run, task, retryLater('load_failed', `${task.key}: ${sentence(error)}`, error));
    }
    const groups = decideTask(run, task);
    full = groups !== undefined;
    if (!groups) continue;
    await writeGroups(run, groups);
    if (isHeldBack(run, task)) return;
  }
  const working = run.working.get(task.key);
  if (working && run.oneByOne.has(task.key)) await writeGroups(run, new Set([working.group]));
};
