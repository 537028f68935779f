/** One record, decided on what the round has loaded: rules 1, 2, 4 and 7 of the protocol. Waits for nothing. */
import { isDeepStrictEqual } from 'node:util';
import { type Applied, find, isPassed, type Position } from './applied.ts';
import type { Alarm, Child, Decision, Done } from './entity.ts';
import { type EntityKey, idOf, keyOf } from './key.ts';
import type { Kind } from './kind.ts';
import { owedAlarms, storedOutputs } from './load.ts';
import { inlineBytesOf, makeEntry, tokenOf, toOwed } from './outbox.ts';
import { failTask, type Outcome, type Run, retryLater, sentence, type Task, tentatively, tryAgain } from './run.ts';
import { join, markApplied, type Working } from './working.ts';

/** DynamoDB takes 100 items in a transaction. */
const MAX_GROUP = 100;

const NO_CHILDREN: ReadonlyMap<string, unknown> = new Map();

/** Answers groups that must be written before this record can be decided: together with it they are more than a transaction takes. */
export const decideTask = (run: Run, task: Task): Set<Working[]> | undefined => {
  const working = run.working.get(task.key);
  if (!working) {
    const error = run.unreadable.get(task.key);
    // Nothing can act on such a state, so a settle has nothing to bar.
    if (run.batch.settle) run.outcomes.set(task.id, { result: 'tombstoned' });
    else failTask(run, task, retryLater('state_unreadable', sentence(error), error));
    return;
  }
  try {
    const known = knownOutcome(run, working, task);
    if (known) {
      tentatively(run, working, task, known);
      for (const key of owedAlarms(working, task)) touch(run, key);
    } else if (run.batch.settle) bar(run, working, task);
    else return decide(run, working, task);
  } catch (error) {
    // The state is as it was: nothing of this decision was taken over.
    failTask(run, task, retryLater('decide_failed', `${task.key}: ${sentence(error)}`, error));
  }
};

/** Rules 1 and 2: what was decided before is not decided again. */
const knownOutcome = (run: Run, working: Working, task: Task): Outcome | undefined => {
  // Nobody delivers a core record again, so there is nothing to bar.
  if (!run.durable) return run.batch.settle ? { result: 'done', publish: storedOutputs(run, working, task) } : undefined;
  if (isPassed(run.floor, task.at)) return { result: 'done', publish: [] };
  const own = working.applied[run.batch.consumer];
  let standing: Standing = own && task.at.sequence <= working.highest ? standingIn(own, task.at) : 'unknown';
  // Bridge rule 10.
  for (const other of working.otherEpochs) if (standing === 'unknown') standing = standingIn(other, task.at);
  switch (standing) {
    case 'unknown':
      return undefined;
    case 'tombstone':
      return { result: 'tombstoned' };
    case 'passed':
      return { result: 'done', publish: [] };
    case 'applied':
      return { result: 'done', publish: storedOutputs(run, working, task) };
    default:
      throw standing satisfies never;
  }
};

/** Its alarm is answered with what is written. */
const touch = (run: Run, key: EntityKey): void => {
  const working = run.working.get(key);
  if (working && !run.tentative.has(working)) run.tentative.set(working, []);
};

type Standing = ReturnType<typeof find> | 'passed';

const standingIn = (applied: Applied, at: Position): Standing => (isPassed(applied.floor, at) ? 'passed' : find(applied, at));

/** The bridge gave up on a record that was never applied: from now on it may not act (bridge rule 6). */
const bar = (run: Run, working: Working, task: Task): void => {
  markApplied(working, run.batch.consumer, run.floor, task.at, true);
  working.dirty = true;
  tentatively(run, working, task, { result: 'tombstoned' });
};

const decide = (run: Run, working: Working, task: Task): Set<Working[]> | undefined => {
  const { spec, event } = task;
  const needsChildren = spec.needsChildren?.(working.state, event) ?? false;
  const now = run.engine.clock.now();
  const decision: Decision<unknown> = spec.decide(working.state, event, {
    now: event.message === 'alarm' ? Math.max(now, (event as Alarm).due) : now,
    id: idOf(task.key),
    recordId: task.id,
    newId: (salt = '') => tokenOf(`${task.id}|${salt}`),
    wakeAt: working.wakeAt ?? null,
    settings: run.engine.settings,
    also: <State>(kind: Kind<State>, id: string) => alsoState(run, keyOf(kind.kind, id)) as State | undefined,
    view: run.views.get(spec),
    children: (needsChildren && working.children) || NO_CHILDREN,
  });
  // Nothing is written that would find out whether there is such an entity.
  if (working.guessed && (decision.outcome === 'retry' || decision.outcome === 'deadLetter')) return void tryAgain(run, [task]);
  switch (decision.outcome) {
    case 'retry':
      failTask(run, task, { result: 'failed', failure: { retryAfterMs: decision.afterMs, reason: decision.reason } });
      return;
    case 'deadLetter':
      run.outcomes.set(task.id, { result: 'failed', failure: { deadLetter: true, reason: decision.reason } });
      return;
    case 'done':
      return takeOver(run, working, task, decision);
    default:
      throw new Error(
        `decide answered ${JSON.stringify((decision as { outcome?: unknown } | undefined)?.outcome)}: done, retry or deadLetter is expected`,
      );
  }
};

const alsoState = (run: Run, key: EntityKey): unknown => {
  const working = run.working.get(key);
  if (working) return working.state;
  throw run.unreadable.get(key) ?? new Error(`decide asked for ${key}, which neither 'also' nor 'shared' named`);
};

const takeOver = (run: Run, working: Working, task: Task, decision: Done<unknown>): Set<Working[]> | undefined => {
  const reply = decision.reply && { reply: decision.reply };
  // A record that asks for no check leaves what an earlier one of the batch asked for.
  if (decision.checkAt !== undefined) working.checkAt = decision.checkAt;
  else if (decision.wakeAt !== undefined) working.checkAt = undefined;
  if (changesNothing(working, decision)) {
    // Rule 4.
    if (run.durable) working.noops.push(task.at);
    tentatively(run, working, task, { result: 'done', publish: [], ...reply });
    return;
  }
  const others = changedOthers(run, decision);
  const publish = (decision.publish ?? []).map((output) => toOwed(output, task.carry));
  const groups = new Set([working.group, ...others.map(([entity]) => entity.group)]);
  const size = groups.values().reduce((sum, group) => sum + group.length, 0);
  if (size > MAX_GROUP && size > groups.size) return groups;

  for (const [entity, state] of others) {
    change(entity, state, undefined);
    entity.dirty = true;
    join(working, entity);
  }
  change(working, decision.state, decision.wakeAt);
  putChildren(working, decision.children ?? []);
  dropChildren(working, decision.drop ?? []);
  if (run.durable) markApplied(working, run.batch.consumer, run.floor, task.at);
  const alarms = others.flatMap(([{ kind, key }]) => (kind.wakeAt ? key : []));
  if (publish.length + alarms.length > 0) owe(run, working, task, publish, alarms);
  working.dirty = true;
  tentatively(run, working, task, { result: 'done', publish, ...reply });
  return;
};

/** A state and an alarm as they are from now on; undefined: as they were. */
const change = (working: Working, state: unknown, wakeAt: number | null | undefined): void => {
  if (state !== undefined) working.state = state;
  const wanted = working.kind.wakeAt && working.state !== undefined ? working.kind.wakeAt(working.state) : wakeAt;
  if (wanted !== undefined) working.wakeAt = wanted ?? (working.wakeAt === undefined ? undefined : null);
};

const changedOthers = (run: Run, decision: Done<unknown>): [Working, unknown][] =>
  Object.entries(decision.also ?? {}).map(([key, state]) => {
    const entity = run.working.get(key as EntityKey);
    if (!entity) throw new Error(`decide changed ${key}, which neither 'also' nor 'shared' named`);
    return [entity, state];
  });

const owe = (run: Run, working: Working, task: Task, publish: ReturnType<typeof toOwed>[], alarms: EntityKey[]): void => {
  const inlineBytes = working.outboxBytes ?? inlineBytesOf(working.outbox);
  const of = { key: working.key, recordId: task.id, now: run.engine.clock.now(), inlineBytes };
  const { entry, parts, bytes } = makeEntry(
    { consumer: run.batch.consumer, ...task.at, ...(alarms.length > 0 && { alarms }) },
    publish,
    of,
  );
  working.outbox[task.id] = entry;
  working.outboxBytes = inlineBytes + bytes;
  putChildren(working, parts);
};

/** What is put later in a batch stands, and so does what is dropped later. */
const putChildren = (working: Working, children: readonly Child[]): void => {
  for (const child of children) {
    working.put.set(child.name, { key: working.key, ...child });
    working.drop.delete(child.name);
    working.children?.set(child.name, child.data);
  }
};

const dropChildren = (working: Working, names: readonly string[]): void => {
  for (const name of names) {
    working.drop.add(name);
    working.put.delete(name);
    working.children?.delete(name);
  }
};

const changesNothing = (working: Working, decision: Done<unknown>): boolean =>
  !decision.publish?.length &&
  !decision.children?.length &&
  !decision.drop?.length &&
  !Object.keys(decision.also ?? {}).length &&
  (decision.wakeAt === undefined || decision.wakeAt === (working.wakeAt ?? null)) &&
  (decision.state === undefined || decision.state === working.state || isDeepStrictEqual(decision.state, working.state));
