/**
 * The entity engine: a batch in, what to publish out, one conditional write an entity. It implements the part "The
 * engine" of docs/protocol.md; rule numbers below are its numbers.
 *
 * A batch runs in rounds. A round loads the entities, decides every record in order on what was loaded, and writes what
 * changed. Records whose entity was changed by somebody else meanwhile go into the next round.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Clock, sleep } from '#shared/clock.ts';
import type { Batch, BatchRecord, ErrorBody, Headers, ItemFailure, PublishedOutput, Timer } from '#shared/contract.ts';
import { type Applied, find, isPassed, type Position, parseFloor } from './applied.ts';
import { type Alarm, type AnyKind, type AnySpec, type Child, type Decision, type EntityKey, type Kind, keyOf } from './entity.ts';
import { makeEntry, type Owed, orphanedRecords, overdueRecords, readEntry, tokenOf, toOwed } from './outbox.ts';
import { readerOf } from './reader.ts';
import type { Item, Store, StoredChild } from './store.ts';
import { join, markApplied, SWEEP_GRACE_MS, seeFloor, toItem, toWorking, type Working } from './working.ts';

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

/** What became of a record. `error` is for the log only. */
export type Outcome =
  | { result: 'done'; publish: Owed[]; reply?: { body: unknown } | { error: ErrorBody } }
  | { result: 'tombstoned' }
  | { result: 'failed'; failure: Omit<ItemFailure, 'itemIdentifier'>; error?: unknown };

export type EngineAnswer = {
  /** By record id. */
  outcomes: Map<string, Outcome>;
  /** Outputs of records that are not in the batch but that nobody else will answer. */
  carried: PublishedOutput[];
  timers: Timer[];
};

export type Engine = {
  store: Store;
  clock: Clock;
  /** 0 to 1, for jitter. */
  random: () => number;
  settings: unknown;
  /** Kinds that `also` names besides those of the specs. */
  kinds: readonly AnyKind[];
};

const MAX_ROUNDS = 12;
/** DynamoDB takes 100 items in a transaction. */
const MAX_GROUP = 100;

const retryLater = (code: string, message: string, error?: unknown): Outcome => ({
  result: 'failed',
  failure: { reason: { code, message } },
  ...(error !== undefined && { error }),
});

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Decides the records of a batch. `invocation` names this call: it is the nonce of what it writes. */
export const runBatch = async (engine: Engine, batch: Batch, works: readonly Work[], invocation: string): Promise<EngineAnswer> => {
  const run = new Run(engine, batch, invocation);
  // Rule 3: a record seen twice counts once.
  let pending = [...new Map(works.map((work) => [work.record.id, work])).values()];
  for (let round = 0; pending.length > 0 && round < MAX_ROUNDS; round++) {
    if (round > 0) await sleep(engine.clock, engine.random() * Math.min(500, 5 * 2 ** round));
    pending = await run.round(pending);
  }
  for (const work of pending) run.outcomes.set(work.record.id, retryLater('conflict', `${work.key} is written by too many at once`));
  return { outcomes: run.outcomes, carried: [...run.carried.values()], timers: [...run.timers.values()] };
};

class Run {
  readonly outcomes = new Map<string, Outcome>();
  readonly carried = new Map<string, PublishedOutput>();
  readonly timers = new Map<string, Timer>();
  private readonly engine: Engine;
  private readonly batch: Batch;
  private readonly invocation: string;
  private readonly floor: Applied['floor'];
  private readonly floors: [consumer: string, floor: Applied['floor']][];
  private readonly deadline: number;
  /** Whether this is a batch of the function's own alarms. */
  private readonly alarms: boolean;
  private readonly durable: boolean;
  private readonly kinds = new Map<string, AnyKind>();
  /** Entities that cannot hold all that this batch brings: their records are decided and written one at a time. */
  private readonly oneByOne = new Set<EntityKey>();

  private working = new Map<EntityKey, Working>();
  private unreadable = new Map<EntityKey, Error>();
  private views = new Map<AnySpec, unknown>();
  /** Outcomes that hold only if the group of the entity is written. */
  private tentative = new Map<EntityKey, Map<Work, Outcome>>();
  private again: Work[] = [];

  constructor(engine: Engine, batch: Batch, invocation: string) {
    this.engine = engine;
    this.batch = batch;
    this.invocation = invocation;
    this.floor = parseFloor(batch.floor);
    const floors = Object.entries({ ...batch.floors, [batch.consumer]: batch.floor });
    this.floors = floors.map(([consumer, floor]) => [consumer, parseFloor(floor)]);
    this.alarms = batch.binding.endsWith('.alarms');
    this.deadline = Date.parse(batch.deadline);
    this.durable = batch.eventSource === 'nats:jetstream';
    for (const kind of engine.kinds) this.kinds.set(kind.kind, kind);
  }

  /** Decides and writes; answers the records that must be decided again. */
  async round(works: readonly Work[]): Promise<Work[]> {
    this.working = new Map();
    this.unreadable = new Map();
    this.tentative = new Map();
    this.again = [];
    for (const work of works) this.kinds.set(work.spec.of.kind, work.spec.of);
    try {
      await this.loadFor(works);
    } catch (error) {
      const outcome = retryLater('table_unavailable', sentence(error), error);
      for (const work of works) this.outcomes.set(work.record.id, outcome);
      return [];
    }
    for (const work of works) {
      await this.decide(work);
      if (this.oneByOne.has(work.key)) await this.flush(new Set([this.working.get(work.key)?.group ?? []]));
    }
    await this.flush(new Set([...this.working.values()].map((working) => working.group)));
    return this.again;
  }

  private async loadFor(works: readonly Work[]): Promise<void> {
    await this.loadMissing(works.map((work) => work.key));
    for (const [spec, theirs] of Map.groupBy(works, (work) => work.spec)) {
      const events = theirs.map((work) => work.event);
      if (spec.read && !this.batch.settle) this.views.set(spec, await spec.read(events, readerOf(this.engine.store)));
    }
    const also = works.flatMap((work) => work.spec.also?.(this.working.get(work.key)?.state, work.event, this.views.get(work.spec)) ?? []);
    await this.loadMissing(also);
  }

  private async loadMissing(keys: readonly EntityKey[]): Promise<void> {
    const missing = [...new Set(keys)].filter((key) => !this.working.has(key) && !this.unreadable.has(key));
    if (missing.length === 0) return;
    const items = await this.engine.store.load(missing);
    for (const key of missing) this.take(key, items.get(key));
  }

  private take(key: EntityKey, item: Item | undefined): void {
    const kind = this.kinds.get(kindOf(key));
    if (!kind) throw new Error(`${key} is of no kind that this function owns: list its kind`);
    try {
      const working = toWorking(key, kind, item);
      for (const [consumer, floor] of this.floors) seeFloor(working, consumer, floor);
      working.swept = this.alarms && item?.sweepAt !== undefined && item.sweepAt <= this.engine.clock.now();
      this.working.set(key, working);
    } catch (error) {
      this.unreadable.set(key, error as Error);
    }
  }

  private tentatively(working: Working, work: Work, outcome: Outcome): void {
    const outcomes = this.tentative.get(working.key) ?? new Map<Work, Outcome>();
    outcomes.set(work, outcome);
    this.tentative.set(working.key, outcomes);
  }

  private async decide(work: Work): Promise<void> {
    try {
      await this.loadMissing([work.key]);
      const working = this.working.get(work.key);
      if (!working) {
        const error = this.unreadable.get(work.key);
        // Nothing can act on such a state, so a settle has nothing to bar.
        const outcome: Outcome = this.batch.settle ? { result: 'tombstoned' } : retryLater('state_unreadable', sentence(error), error);
        this.outcomes.set(work.record.id, outcome);
        return;
      }
      await this.adopt(working, work);
      const known = await this.known(working, work);
      if (known) this.tentatively(working, work, known);
      else if (this.batch.settle) this.bar(working, work);
      else await this.apply(working, work);
    } catch (error) {
      // The state is as it was: nothing of this decision was taken over.
      this.outcomes.set(work.record.id, retryLater('decide_failed', `${work.key}: ${sentence(error)}`, error));
    }
  }

  /** Rules 1 and 2: what was decided before is not decided again. */
  private async known(working: Working, work: Work): Promise<Outcome | undefined> {
    // Nobody delivers a core record again, so there is nothing to bar.
    if (!this.durable) return this.batch.settle ? this.stored(working, work) : undefined;
    const at = positionOf(work.record);
    if (isPassed(this.floor, at)) return { result: 'done', publish: [] };
    const applied = working.applied[this.batch.consumer];
    if (!applied) return undefined;
    if (isPassed(applied.floor, at)) return { result: 'done', publish: [] };
    const standing = find(applied, at);
    if (standing === 'unknown') return undefined;
    if (standing === 'tombstone') return { result: 'tombstoned' };
    return this.stored(working, work);
  }

  private async stored(working: Working, work: Work): Promise<Outcome> {
    const entry = working.outbox[work.record.id];
    return { result: 'done', publish: entry ? await readEntry(this.engine.store, working.key, work.record.id, entry) : [] };
  }

  /** The bridge gave up on a record that was never applied: from now on it may not act (bridge rule 6). */
  private bar(working: Working, work: Work): void {
    markApplied(working, this.batch.consumer, this.floor, positionOf(work.record), true);
    working.dirty = true;
    this.tentatively(working, work, { result: 'tombstoned' });
  }

  /**
   * Outputs that nobody else will answer: those of core records of a bridge that died (protocol, "Core records"), and, for
   * the sweep, those that are unconfirmed for long. From now on they are owed by this record.
   */
  private async adopt(working: Working, work: Work): Promise<void> {
    const orphans = orphanedRecords(working.outbox, this.batch.consumer);
    const overdue = working.swept ? overdueRecords(working.outbox, this.engine.clock.now() - SWEEP_GRACE_MS) : [];
    for (const recordId of new Set([...orphans, ...overdue])) {
      const entry = working.outbox[recordId];
      if (!entry) continue;
      const owed = await readEntry(this.engine.store, working.key, recordId, entry);
      for (const [n, output] of owed.entries()) this.carried.set(`${recordId}:${n}`, { cause: recordId, ...output });
      working.outbox[recordId] = { ...entry, consumer: this.batch.consumer, ...positionOf(work.record) };
      working.dirty = true;
    }
    if (working.swept) working.dirty = true;
  }

  private async apply(working: Working, work: Work): Promise<void> {
    const view = this.views.get(work.spec);
    const also = work.spec.also?.(working.state, work.event, view) ?? [];
    await this.loadMissing(also);
    const children = work.spec.needsChildren?.(working.state, work.event) ? await this.childrenOf(working) : new Map<string, unknown>();
    const decision: Decision<unknown> = work.spec.decide(working.state, work.event, {
      now: work.event.message === 'alarm' ? Math.max(this.engine.clock.now(), (work.event as Alarm).due) : this.engine.clock.now(),
      id: work.key.slice(work.key.indexOf('#') + 1),
      recordId: work.record.id,
      newId: (salt = '') => tokenOf(`${work.record.id}|${salt}`),
      wakeAt: working.wakeAt ?? null,
      settings: this.engine.settings,
      also: <State>(kind: Kind<State>, id: string) => this.alsoOf(also, keyOf(kind.kind, id)) as State | undefined,
      view,
      children,
    });
    switch (decision.outcome) {
      case 'retry':
        this.outcomes.set(work.record.id, { result: 'failed', failure: { retryAfterMs: decision.afterMs, reason: decision.reason } });
        return;
      case 'deadLetter':
        this.outcomes.set(work.record.id, { result: 'failed', failure: { deadLetter: true, reason: decision.reason } });
        return;
      case 'done':
        await this.takeOver(working, work, decision);
        return;
      default:
        throw new Error(
          `decide answered ${JSON.stringify((decision as { outcome?: unknown } | undefined)?.outcome)}: done, retry or deadLetter is expected`,
        );
    }
  }

  private alsoOf(named: readonly EntityKey[], key: EntityKey): unknown {
    if (!named.includes(key)) throw new Error(`decide asked for ${key}, which 'also' did not name`);
    const error = this.unreadable.get(key);
    if (error) throw error;
    return this.working.get(key)?.state;
  }

  private async childrenOf(working: Working): Promise<Map<string, unknown>> {
    if (!working.children) {
      const stored = await this.engine.store.children(working.key, '');
      working.children = new Map(stored.filter((child) => !child.name.startsWith('outbox#')).map((child) => [child.name, child.data]));
      for (const child of working.put.values()) working.children.set(child.name, child.data);
      for (const name of working.drop) working.children.delete(name);
    }
    return working.children;
  }

  private async takeOver(working: Working, work: Work, decision: Extract<Decision<unknown>, { outcome: 'done' }>): Promise<void> {
    const at = positionOf(work.record);
    const reply = decision.reply && { reply: decision.reply };
    const also = Object.entries(decision.also ?? {}).map(([key, state]) => ({ entity: this.working.get(key as EntityKey), key, state }));
    for (const { entity, key } of also) if (!entity) throw new Error(`decide changed ${key}, which 'also' did not name`);
    const publish = (decision.publish ?? []).map((output) => toOwed(output, work.carry));
    if (changesNothing(working, decision)) {
      // Rule 4.
      if (this.durable) working.noops.push(at);
      this.tentatively(working, work, { result: 'done', publish: [], ...reply });
      return;
    }
    const groups = new Set([working.group, ...also.map(({ entity }) => (entity as Working).group)]);
    if ([...groups].reduce((size, group) => size + group.length, 0) > MAX_GROUP) await this.flush(groups);
    const current = [working, ...also.map(({ entity }) => entity as Working)].every((entity) => this.working.get(entity.key) === entity);
    if (!current) {
      this.again.push(work);
      return;
    }

    for (const { entity, state } of also as { entity: Working; state: unknown }[]) {
      entity.state = state;
      entity.dirty = true;
      join(working, entity);
    }
    if (decision.state !== undefined) working.state = decision.state;
    if (decision.wakeAt !== undefined) working.wakeAt = decision.wakeAt ?? (working.wakeAt === undefined ? undefined : null);
    putChildren(working, decision.children ?? []);
    dropChildren(working, decision.drop ?? []);
    if (this.durable) markApplied(working, this.batch.consumer, this.floor, at);
    if (publish.length > 0) {
      const now = this.engine.clock.now();
      const of = { key: working.key, recordId: work.record.id, now, inlineBytes: working.outboxBytes };
      const { entry, parts, bytes } = makeEntry({ consumer: this.batch.consumer, ...at }, publish, of);
      working.outbox[work.record.id] = entry;
      working.outboxBytes += bytes;
      putChildren(working, parts);
    }
    working.dirty = true;
    this.tentatively(working, work, { result: 'done', publish, ...reply });
  }

  /** Rule 5: one conditional write an entity, or one transaction for entities that were changed together. */
  private async flush(groups: Set<Working[]>): Promise<void> {
    const dirty: Working[][] = [];
    for (const group of groups) {
      if (group.some((working) => working.dirty)) dirty.push(group);
      else this.settle(group);
    }
    if (dirty.length === 0) return;
    // Rule 8: no write is begun after the deadline.
    if (this.engine.clock.now() >= this.deadline)
      return this.fail(dirty, retryLater('deadline', 'the invocation ran out of time before it could write'));
    for (const working of dirty.flat()) for (const at of working.noops) markApplied(working, this.batch.consumer, this.floor, at);
    const put = dirty.flatMap((group) => group.flatMap((working) => [...working.put.values()]));
    try {
      if (put.length > 0) await this.engine.store.putChildren(put);
    } catch (error) {
      return this.fail(dirty, retryLater('table_unavailable', sentence(error), error));
    }
    const now = this.engine.clock.now();
    if (now >= this.deadline) return this.fail(dirty, retryLater('deadline', 'the invocation ran out of time before it could write'));
    const units = dirty.map((group) => group.filter((working) => working.dirty).map((working) => toItem(working, this.invocation, now)));
    const results = await this.engine.store.write(units);
    const landed = await this.landed(units.filter((_, n) => results[n]?.result === 'conflict'));
    const drops: Pick<StoredChild, 'key' | 'name'>[] = [];
    for (const [n, group] of dirty.entries()) {
      const unit = units[n] as Item[];
      const result = landed.has(unit) ? { result: 'written' as const } : results[n];
      switch (result?.result) {
        case 'written':
          for (const working of group) {
            if (working.dirty) working.version++;
            for (const name of working.drop) drops.push({ key: working.key, name });
            Object.assign(working, { dirty: false, swept: false, noops: [], put: new Map(), drop: new Set(), group: [working] });
            this.settle([working]);
          }
          break;
        case 'too_large':
          this.tooLarge(group, result.key, result.bytes);
          break;
        case 'failed':
          this.fail([group], retryLater('table_unavailable', sentence(result.error), result.error));
          break;
        default:
          this.decideAgain(group);
      }
    }
    // What is no longer counted is only waste: the time to live removes what a failure leaves.
    if (drops.length > 0) await this.engine.store.deleteChildren(drops).catch(() => undefined);
  }

  /** Units whose conflict is this invocation's own earlier write, retried by the SDK after its answer was lost. */
  private async landed(conflicts: Item[][]): Promise<Set<Item[]>> {
    const landed = new Set<Item[]>();
    if (conflicts.length === 0) return landed;
    const stored = await this.engine.store.load(conflicts.flatMap((unit) => unit.map((item) => item.key))).catch(() => undefined);
    for (const unit of conflicts) {
      const ours = unit.every((item) => {
        const there = stored?.get(item.key);
        return there?.nonce === item.nonce && there.version === item.version;
      });
      if (ours) landed.add(unit);
    }
    return landed;
  }

  /** Outcomes of a written or unchanged group are final, and its alarms are owed (rule 7). */
  private settle(group: Working[]): void {
    for (const working of group) {
      const outcomes = this.tentative.get(working.key);
      if (!outcomes) continue;
      for (const [work, outcome] of outcomes) this.outcomes.set(work.record.id, outcome);
      this.tentative.delete(working.key);
      if (working.wakeAt === undefined || working.version === 0) continue;
      const key = working.key.replace('#', '.');
      const at = working.wakeAt === null ? null : new Date(working.wakeAt).toISOString();
      this.timers.set(key, { key, at, version: working.version });
    }
  }

  private worksOf(group: Working[]): Work[] {
    return group.flatMap((working) => {
      const works = [...(this.tentative.get(working.key)?.keys() ?? [])];
      this.tentative.delete(working.key);
      return works;
    });
  }

  private decideAgain(group: Working[]): void {
    this.again.push(...this.worksOf(group));
    for (const working of group) this.poison(working);
  }

  private fail(groups: Working[][], outcome: Outcome): void {
    for (const group of groups) {
      for (const work of this.worksOf(group)) this.outcomes.set(work.record.id, outcome);
      for (const working of group) this.poison(working);
    }
  }

  /** An item that would not fit is refused before it is lost: the record that makes it too large is, and only that one. */
  private tooLarge(group: Working[], key: EntityKey, bytes: number): void {
    const works = this.worksOf(group);
    for (const working of group) this.poison(working);
    const [only] = works;
    if (works.length === 1 && only) {
      const message = `${key} would grow to ${bytes} bytes, an entity may have 400000: keep what grows in children`;
      this.outcomes.set(only.record.id, { result: 'failed', failure: { deadLetter: true, reason: { code: 'entity_too_large', message } } });
      return;
    }
    for (const work of works) this.oneByOne.add(work.key);
    this.again.push(...works);
  }

  /** What was decided on this state is void: later records of this round must not build on it. */
  private poison(working: Working): void {
    this.working.delete(working.key);
  }
}

const kindOf = (key: EntityKey): string => key.slice(0, key.indexOf('#'));

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

const positionOf = (record: BatchRecord): Position => ({ sequence: record.sequence, timestamp: Date.parse(record.timestamp) });

const changesNothing = (working: Working, decision: Extract<Decision<unknown>, { outcome: 'done' }>): boolean =>
  !decision.publish?.length &&
  !decision.children?.length &&
  !decision.drop?.length &&
  !Object.keys(decision.also ?? {}).length &&
  (decision.wakeAt === undefined || decision.wakeAt === (working.wakeAt ?? null)) &&
  (decision.state === undefined || decision.state === working.state || isDeepStrictEqual(decision.state, working.state));
