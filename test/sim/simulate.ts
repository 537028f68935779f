/**
 * One run: the plan's messages and faults against the real engine and the real dispatcher, then calm until everything has
 * drained, then the judgement.
 */

import { createDispatcher, type DispatcherOptions } from '#infra/bridge/dispatcher.ts';
import type { Binding } from '#infra/bridge/manifest.ts';
import type { Invoker, Publisher, Source } from '#infra/bridge/ports.ts';
import { unstoredSource } from '#infra/bridge/unstored-source.ts';
import type { EntityKey } from '#shared/entity/entity.ts';
import type { Item, Store } from '#shared/entity/store.ts';
import { SWEEP_GRACE_MS } from '#shared/entity/working.ts';
import { aBinding, aFunction, noMetrics } from '#test/support/fake-ports.ts';
import { type Bed, later, whileAlive } from './bed.ts';
import { type Bus, createBus } from './bus.ts';
import { type Body, type Counter, FUNCTION } from './counter.ts';
import { createHost } from './host.ts';
import { judge } from './judge.ts';
import { memoryStore, memoryTable } from './memory-store.ts';
import { FAULTS_END, type Fault, type FaultName, type Plan, type PlannedMessage } from './plan.ts';
import { seeded } from './random.ts';
import { createSchedules, type Schedules } from './schedules.ts';
import { createStream, type Stored, type Stream } from './stream.ts';
import { virtualTime } from './virtual-time.ts';

/** A rule switched off from outside. */
export type Attack = {
  source?: (source: Source, bed: Bed) => Source;
  invoker?: (invoker: Invoker, bed: Bed) => Invoker;
  publisher?: (publisher: Publisher, bed: Bed) => Publisher;
  store?: (store: Store, bed: Bed) => Store;
  dispatcher?: Partial<DispatcherOptions>;
  binding?: (binding: Binding) => Binding;
  unguardedTimers?: boolean;
};

/** A message as a client published it, once. Its digit is what it adds to its counter. */
export type Published = {
  digit: number;
  message: PlannedMessage;
  other: string;
  /** Of its record; absent for core. */
  id?: string;
  /** Gone before it was settled with the stream, or with the stream's tail, settled or not. */
  lost?: 'with the stream' | 'with the tail';
  settledAt?: number;
  effectAt?: number;
};

export type World = {
  plan: Plan;
  published: Map<string, Published[]>;
  items: Map<string, Item>;
  bus: Bus;
  schedules: Schedules;
  consumerLostState: boolean;
  mostAbove: number;
  mostOutbox: number;
};

export type Report = { violations: string[]; trace: string[]; ms: number };

const DRAIN_MS = 180_000;

export const simulate = async (
  plan: Plan,
  { attack = {}, traced = false }: { attack?: Attack; traced?: boolean } = {},
): Promise<Report> => {
  const time = virtualTime();
  const began = time.now();
  const trace: string[] = [];
  const waiting = new Map<FaultName, Fault[]>();
  const bed: Bed = {
    time,
    random: seeded(plan.seed ^ 0x5eed),
    spoilt(what) {
      const fault = time.now() - began < FAULTS_END ? waiting.get(what)?.shift() : undefined;
      if (fault) bed.log(() => `FAULT: ${what}`);
      return fault?.x;
    },
    log: (line) => void (traced && trace.push(`${String(time.now() - began).padStart(6)}  ${line()}`)),
  };

  const events = createStream(bed, 'EVENTS');
  const alarms = createStream(bed, 'TIMERS');
  const schedules = createSchedules(bed, alarms, { guarded: !attack.unguardedTimers });
  const bus = createBus(bed, schedules);
  const table = memoryTable();
  const world: World = {
    plan,
    published: new Map(),
    items: new Map(),
    bus,
    schedules,
    consumerLostState: false,
    mostAbove: 0,
    mostOutbox: 0,
  };

  /** Looks at what a write left behind: which messages have acted by it. */
  const landed = (keys: readonly string[]) => {
    for (const key of keys) {
      const item = JSON.parse(table.items.get(key as EntityKey) as string) as Item;
      world.items.set(key.slice('counter#'.length), item);
      const state = item.state as Counter | null;
      for (const one of world.published.get(key.slice('counter#'.length)) ?? [])
        if (state && one.effectAt === undefined && state.sum & (one.digit * 3)) one.effectAt = time.now();
      world.mostAbove = Math.max(world.mostAbove, ...Object.values(item.applied).map(({ above }) => above.length));
      world.mostOutbox = Math.max(world.mostOutbox, Object.keys(item.outbox).length);
    }
  };
  const host = createHost(bed, { table, skew: plan.skew.function, landed, ...(attack.store && { wrapStore: attack.store }) });

  const core = createCore();
  const bridges = createBridges(bed, { plan, attack, events, alarms, core, invoker: host.invoker, publisher: bus.publisher });

  // ---- what happens ---------------------------------------------------------------------------------------------------

  const byRecord = new Map<string, Published>();
  const publish = (message: PlannedMessage): void => {
    const of = world.published.get(message.key) ?? [];
    world.published.set(message.key, of);
    const digit = 4 ** of.length;
    const other = { a: 'b', b: 'c' }[message.key] ?? 'a';
    const one: Published = { digit, message, other };
    of.push(one);
    const body: Body = { kind: message.kind, digit, other, x: message.x };
    bed.log(
      () =>
        `${message.name} is published${message.via === 'core' ? ' without a stream' : ''}: ${message.kind} ${message.key}, digit ${digit}`,
    );
    if (message.via === 'core') return core.publish(`beat.${message.key}`, JSON.stringify(body));
    const stored = events.publish(`in.${message.key}`, JSON.stringify(body));
    one.id = stored.id;
    byRecord.set(stored.id, one);
  };
  events.onSettled(({ id }) => {
    const one = byRecord.get(id);
    if (one) one.settledAt = time.now();
  });

  /** A client that learns of the loss sends again: a new record, which is judged for itself. */
  const lose = (lost: readonly Stored[], how: Published['lost'] & string) => {
    for (const { id } of lost) {
      const one = byRecord.get(id);
      if (!one || one.lost) continue;
      one.lost = how;
      if ((world.published.get(one.message.key)?.length ?? 0) < 15) later(bed, 300, () => publish(one.message));
    }
  };

  const strike = (fault: Fault) => {
    const { what, x } = fault;
    switch (what) {
      case 'the bridge crashes':
        bed.log(() => `FAULT: ${what}`);
        return bridges.crash(50 + Math.round(x * 1000));
      case 'the bridge is restarted':
        bed.log(() => `FAULT: ${what}`);
        return bridges.restart();
      case 'the consumer loses its state': {
        const to = Math.floor(x * events.floor());
        bed.log(() => `FAULT: ${what}, floor ${events.floor()} becomes ${to}`);
        world.consumerLostState = true;
        return events.loseConsumerState(to);
      }
      case 'the stream loses its tail': {
        const lost = events.loseTail(1 + Math.floor(x * 4));
        bed.log(() => `FAULT: ${what}: ${lost.map(({ sequence }) => sequence).join(' ')}`);
        return lose(lost, 'with the tail');
      }
      case 'the stream is made anew':
        bed.log(() => `FAULT: ${what}`);
        return lose(events.makeAnew(), 'with the stream');
      case 'a stray alarm goes off':
        bed.log(() => `FAULT: ${what}`);
        return schedules.stray(`counter.${'abc'[Math.floor(x * 3)]}`);
      default:
        waiting.set(what, [...(waiting.get(what) ?? []), fault]);
    }
  };

  bridges.start();
  for (const message of plan.messages) later(bed, message.at, () => publish(message));
  for (const fault of plan.faults) later(bed, fault.at, () => strike(fault));

  /** What the reconciler does: whoever is overdue is woken by an alarm. */
  const sweep = async (): Promise<boolean> => {
    await time.advance(2 * SWEEP_GRACE_MS);
    for (const key of await memoryStore({ table, clock: time.clock() }).overdue(time.now(), 10)) {
      bed.log(() => `the sweep wakes ${key}`);
      schedules.stray(key.replace('#', '.'));
    }
    return time.runUntil(isQuiet, DRAIN_MS);
  };

  const isQuiet = () =>
    time.now() - began > FAULTS_END && events.isDrained() && alarms.isDrained() && schedules.isEmpty() && bridges.isIdle() && host.isIdle();
  const drained = await time.runUntil(isQuiet, DRAIN_MS);
  const violations = drained ? judge(world, { swept: false }) : ['it does not drain'];
  if (drained && needsSweep(world)) {
    const swept = await sweep();
    violations.push(...(swept ? judge(world, { swept: true }) : ['it does not drain after the sweep']));
  }
  bridges.end();
  return { violations: [...new Set(violations)], trace, ms: time.now() - began };
};

/** There are records that no redelivery will bring: they came without a stream, or the stream lost them. */
const needsSweep = ({ published }: World): boolean =>
  [...published.values()].some((all) => all.some(({ lost, message }) => lost || message.via === 'core'));

/** NATS without a stream: who listens now gets it. */
const createCore = () => {
  type Listener = (error: null, message: { subject: string; data: Uint8Array }) => void;
  let listener: Listener | undefined;
  let open = 0;
  return {
    publish: (subject: string, data: string) => listener?.(null, { subject, data: Buffer.from(data) }),
    listen: (to: Listener | undefined) => {
      listener = to;
      open = 0;
    },
    count: (by: number) => {
      open += by;
    },
    delivered: () => open === 0,
  };
};

type BridgeWorld = {
  plan: Plan;
  attack: Attack;
  events: Stream;
  alarms: Stream;
  core: ReturnType<typeof createCore>;
  invoker: Invoker;
  publisher: Publisher;
};

const RETRY = { attempts: 4, backoff: [200, 800], maxAge: 3_600_000 };

/** The bridge, one process after the other. A crashed one is silent: nothing that it waits for ever comes. */
const createBridges = (bed: Bed, { plan, attack, events, alarms, core, invoker, publisher }: BridgeWorld) => {
  const fn = aFunction({ name: FUNCTION, concurrency: 2, publishes: ['out.>'] });
  let life = { alive: false };
  let incarnation = 0;
  let dispatcher: ReturnType<typeof createDispatcher> | undefined;

  const bindings: Binding[] = [
    aBinding({ name: `${FUNCTION}.alarms`, function: FUNCTION, groupBy: { token: 5 }, retry: RETRY, alarms: true }),
    aBinding({ name: `${FUNCTION}.events`, function: FUNCTION, batchSize: 5, batchWindow: 10, retry: RETRY }),
    aBinding({
      name: `${FUNCTION}.beats`,
      function: FUNCTION,
      source: { kind: 'core', subjects: ['beat.>'] },
      batchWindow: 5,
      retry: RETRY,
    }),
  ];

  const coreSource = (mine: { alive: boolean }): Source => {
    const nc = {
      subscribe: (_subject: string, { callback }: { callback: Parameters<typeof core.listen>[0] }) => {
        core.listen(callback);
        return { drain: async () => mine.alive && core.listen(undefined) };
      },
    };
    const options = {
      nc: nc as never,
      binding: `${FUNCTION}.beats`,
      subjects: ['beat.>'],
      bridgeId: `b${incarnation}`,
      started: bed.time.now(),
    };
    const source = unstoredSource('core', { ...options, clock: bed.time.clock(), dropped() {} }, () => ({}));
    const start: Source['start'] = (sink) =>
      source.start({
        ...sink,
        deliver(delivery) {
          core.count(1);
          const settle = (how: () => void) => () => {
            how();
            core.count(-1);
          };
          sink.deliver({ ...delivery, ack: settle(delivery.ack), nak: settle(() => delivery.nak(0)) });
        },
      });
    return { ...source, start };
  };

  const guarded = (source: Source, isAlive: () => boolean): Source =>
    Object.create(source, { readFloor: { value: () => whileAlive(isAlive, source.readFloor()) } });

  const start = () => {
    life = { alive: true };
    incarnation++;
    const mine = life;
    const isAlive = () => mine.alive;
    const out = attack.publisher?.(publisher, bed) ?? publisher;
    const call = attack.invoker?.(invoker, bed) ?? invoker;
    dispatcher = createDispatcher({
      fn,
      invoker: { invoke: (name, batch) => whileAlive(isAlive, call.invoke(name, batch)) },
      publisher: {
        ...out,
        publish: (messages) => whileAlive(isAlive, out.publish(messages)),
        setTimers: (name, timers) => whileAlive(isAlive, out.setTimers(name, timers)),
      },
      clock: bed.time.clock({ skew: plan.skew.bridge, alive: isAlive }),
      random: bed.random,
      writeMargin: 500,
      metrics: noMetrics,
      log: (sentence) => bed.log(() => `bridge: ${sentence}`),
      ...attack.dispatcher,
    });
    bed.log(() => `a bridge starts`);
    for (const binding of bindings) {
      const source = binding.alarms ? alarms.source(isAlive) : binding.source.kind === 'core' ? coreSource(mine) : events.source(isAlive);
      dispatcher.attach(attack.binding?.(binding) ?? binding, guarded(attack.source?.(source, bed) ?? source, isAlive));
    }
  };

  return {
    start,
    crash(downMs: number) {
      if (!life.alive) return;
      life.alive = false;
      core.listen(undefined);
      later(bed, downMs, start);
    },
    restart() {
      if (!life.alive) return;
      const mine = life;
      void dispatcher?.drain().then(() => {
        mine.alive = false;
        core.listen(undefined);
        start();
      });
    },
    isIdle: () => life.alive && core.delivered(),
    end() {
      life.alive = false;
    },
  };
};
