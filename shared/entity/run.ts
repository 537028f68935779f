/** What the parts of the engine share while a batch runs. */
import type { Clock } from '#shared/clock.ts';
import type { Batch, BatchRecord, ErrorBody, Headers, ItemFailure, PublishedOutput, Timer } from '#shared/contract.ts';
import { type Applied, type Position, parseFloor, positionOf } from './applied.ts';
import type { AnySpec } from './entity.ts';
import type { EntityKey } from './key.ts';
import type { AnyKind } from './kind.ts';
import type { Owed } from './outbox.ts';
import type { Item, Store } from './store.ts';
import type { Working } from './working.ts';

/** A record that was read, and the entity that it is about. */
export type Work = {
  record: BatchRecord;
  spec: AnySpec;
  key: EntityKey;
  // biome-ignore lint/suspicious/noExplicitAny: typed again inside the spec's decide
  event: any;
  /** Headers that every output of this record gets (trace context). */
  carry?: Headers;
};

/** A record on its way through the engine. */
export type Task = Work & { id: string; at: Position };

/** What became of a record. `error` is for the log only. */
export type Outcome =
  | { result: 'done'; publish: Owed[]; reply?: { body: unknown } | { error: ErrorBody } }
  | { result: 'tombstoned' }
  | { result: 'failed'; failure: Omit<ItemFailure, 'itemIdentifier'>; error?: unknown };

export type Engine = {
  store: Store;
  clock: Clock;
  /** 0 to 1, for jitter. */
  random: () => number;
  settings: unknown;
  /** Kinds that `also` and `shared` may name. */
  kinds: readonly AnyKind[];
};

export type Run = {
  engine: Engine;
  batch: Batch;
  /** The nonce of what this invocation writes. */
  invocation: string;
  floor: Applied['floor'];
  /** The batch's own floor among them. */
  floors: [consumer: string, floor: Applied['floor']][];
  deadline: number;
  /** Whether the records have a stream that delivers them again. */
  durable: boolean;
  /** Whether this is a batch of the function's own alarms. */
  alarms: boolean;
  kinds: Map<string, AnyKind>;
  /** Entities that cannot hold all that this batch brings: their records are decided and written one at a time. */
  oneByOne: Set<EntityKey>;

  /** Final, by record id. */
  outcomes: Map<string, Outcome>;
  carried: Map<string, PublishedOutput>;
  timers: Map<string, Timer>;

  /** Rounds before this one. */
  rounds: number;
  /** Items as this round saw them first. */
  seen: Map<EntityKey, Item | undefined>;
  /** The entities of this round. */
  working: Map<EntityKey, Working>;
  unreadable: Map<EntityKey, Error>;
  /** What the specs' `read` answered. */
  views: Map<AnySpec, unknown>;
  /** Entities that any decision of a spec may touch. */
  shared: Map<AnySpec, EntityKey[]>;
  /** Whether a failed write has made this round forget entities. */
  abandoned: boolean;
  /** Outcomes that hold only if the entity's group is written. */
  tentative: Map<Working, [Task, Outcome][]>;
  /** Records for the next round. */
  again: Task[];
  /** In an ordered batch, the entities whose later records wait in this round: an earlier one failed, or goes into the next (rule 6). */
  holding: Map<EntityKey, 'failed' | 'again'>;
};

export const newRun = (engine: Engine, batch: Batch, invocation: string): Run => ({
  engine,
  batch,
  invocation,
  floor: parseFloor(batch.floor),
  floors: Object.entries({ ...batch.floors, [batch.consumer]: batch.floor }).map(([consumer, floor]) => [consumer, parseFloor(floor)]),
  deadline: Date.parse(batch.deadline),
  durable: batch.eventSource === 'nats:jetstream',
  alarms: batch.binding.endsWith('.alarms'),
  kinds: new Map(engine.kinds.map((kind) => [kind.kind, kind])),
  oneByOne: new Set(),
  outcomes: new Map(),
  carried: new Map(),
  timers: new Map(),
  rounds: 0,
  seen: new Map(),
  working: new Map(),
  unreadable: new Map(),
  views: new Map(),
  shared: new Map(),
  abandoned: false,
  tentative: new Map(),
  again: [],
  holding: new Map(),
});

export const toTask = (work: Work): Task => ({ ...work, id: work.record.id, at: positionOf(work.record) });

export const tentatively = (run: Run, working: Working, task: Task, outcome: Outcome): void => {
  const outcomes = run.tentative.get(working);
  if (outcomes) outcomes.push([task, outcome]);
  else run.tentative.set(working, [[task, outcome]]);
};

/** It is tried again later, and in an ordered batch its entity's later records with it. */
export const failTask = (run: Run, task: Task, outcome: Outcome): void => {
  run.outcomes.set(task.id, outcome);
  if (run.batch.ordered) run.holding.set(task.key, 'failed');
};

/** They are decided again in the next round, and in an ordered batch their entities' later records after them. */
export const tryAgain = (run: Run, tasks: readonly Task[]): void => {
  run.again.push(...tasks);
  if (run.batch.ordered) for (const { key } of tasks) if (!run.holding.has(key)) run.holding.set(key, 'again');
};

/** Rule 6: whether the record waits for an earlier one of its entity. */
export const isHeldBack = (run: Run, task: Task): boolean => {
  const holding = run.holding.get(task.key);
  if (holding === 'again') run.again.push(task);
  if (holding === 'failed')
    run.outcomes.set(task.id, retryLater('held_back', `it waits for an earlier message about ${task.key}, which failed`));
  return holding !== undefined;
};

export const retryLater = (code: string, message: string, error?: unknown): Outcome => ({
  result: 'failed',
  failure: { reason: { code, message } },
  ...(error !== undefined && { error }),
});

export const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));
