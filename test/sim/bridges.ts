/**
 * The bridges on the simulated world: the real dispatcher, and wrappers where a rule is attacked. One owns the function at a
 * time: it hands over when it has drained, and is replaced a while after it died. Now and then two own it.
 */
import type { DispatcherOptions } from '#infra/bridge/dispatch/dispatch.ts';
import { createDispatcher } from '#infra/bridge/dispatch/dispatcher.ts';
import type { Binding } from '#infra/bridge/manifest/manifest.ts';
import type { Invoker, Publisher, Source } from '#infra/bridge/ports/ports.ts';
import { orderedGate } from '#infra/bridge/sources/ordered-gate.ts';
import { unstoredSource } from '#infra/bridge/sources/unstored-source.ts';
import { aBinding, aFunction, memoryInHand, noMetrics } from '#test/support/fake-ports.ts';
import { changed } from './attack.ts';
import { type Bed, later, pause, whileAlive } from './bed.ts';
import { FUNCTION } from './counter.ts';
import type { Plan } from './plan.ts';
import type { Stream } from './stream.ts';

/** What an attack puts around the ports of a bridge. */
export type BridgeAttack = {
  source?: (source: Source) => Source;
  invoker?: (invoker: Invoker) => Invoker;
  publisher?: (publisher: Publisher) => Publisher;
  binding?: (binding: Binding) => Binding;
  dispatcher?: Partial<DispatcherOptions>;
  /** A reset does not wait for what is in flight. */
  undrained?: boolean;
  /** An ordered binding's new owner passes on what comes as it comes. */
  ungated?: boolean;
};

export type Core = ReturnType<typeof createCore>;

type Listener = (error: null, message: { subject: string; data: Uint8Array }) => void;

/** NATS without a stream: one of those who listen now gets it. */
export const createCore = ({ random }: Pick<Bed, 'random'>) => {
  const listeners = new Map<Life, Listener>();
  const open = new Map<Life, number>();
  return {
    publish(subject: string, data: string) {
      const [only, ...others] = listeners.values();
      const listener = others.length > 0 ? random.pick([...listeners.values()]) : only;
      listener?.(null, { subject, data: Buffer.from(data) });
    },
    listen: (of: Life, listener: Listener) => void listeners.set(of, listener),
    leave: (of: Life) => void listeners.delete(of),
    count: (of: Life, by: number) => void open.set(of, (open.get(of) ?? 0) + by),
    delivered: () => [...open].every(([life, count]) => !life.alive || count === 0),
  };
};

/** A process of the bridge. A dead one is silent: nothing that it waits for ever comes. */
type Life = { number: number; alive: boolean; draining: boolean; drain: () => Promise<void> };

type BridgeWorld = {
  plan: Plan;
  attack: BridgeAttack;
  events: Stream;
  alarms: Stream;
  core: Core;
  invoker: Invoker;
  publisher: Publisher;
};

const RETRY = { attempts: 4, backoff: [200, 800], maxAge: 3_600_000 };
/** The last delay is longer than a new owner waits for what an earlier one was given. */
const ORDERED = { ordered: true as const, retry: { ...RETRY, backoff: [200, 800, 6000] } };

export const createBridges = (bed: Bed, { plan, attack, events, alarms, core, invoker, publisher }: BridgeWorld) => {
  const fn = aFunction({ name: FUNCTION, concurrency: 2, publishes: ['out.>'] });
  let lives: Life[] = [];
  let started = 0;
  const inHand = memoryInHand();

  const bindings: Binding[] = [
    aBinding({ name: `${FUNCTION}.alarms`, function: FUNCTION, groupBy: { tokens: [5] }, retry: RETRY, alarms: true }),
    aBinding({
      name: `${FUNCTION}.events`,
      function: FUNCTION,
      batchSize: 5,
      batchWindow: 10,
      retry: RETRY,
      ...(plan.ordered && ORDERED),
    }),
    aBinding({
      name: `${FUNCTION}.beats`,
      function: FUNCTION,
      source: { kind: 'core', subjects: ['beat.>'] },
      batchWindow: 5,
      retry: RETRY,
    }),
  ];

  const coreSource = (mine: Life): Source => {
    const nc = {
      subscribe: (_subject: string, { callback }: { callback: Listener }) => {
        core.listen(mine, callback);
        return { drain: async () => core.leave(mine) };
      },
      // It is never lost.
      async *status() {},
    };
    const options = {
      nc: nc as never,
      binding: `${FUNCTION}.beats`,
      subjects: ['beat.>'],
      bridgeId: `b${mine.number}`,
      started: bed.time.now(),
    };
    const source = unstoredSource('core', { ...options, clock: bed.time.clock(), dropped() {} }, () => ({}));
    const start: Source['start'] = (sink) =>
      source.start({
        ...sink,
        deliver(delivery) {
          core.count(mine, 1);
          const settle = (how: () => void) => () => {
            how();
            core.count(mine, -1);
          };
          sink.deliver({ ...delivery, ack: settle(delivery.ack), nak: settle(() => delivery.nak(0)) });
        },
      });
    return { ...source, start };
  };

  /** An ordered binding's messages, as a new owner takes them over (rule 9). */
  const orderedSource = (mine: Life): Source => {
    let gate: ReturnType<typeof orderedGate> | undefined;
    const hold = () => {
      gate?.shut();
      gate?.expect();
    };
    const source = events.source(() => mine.alive, hold);
    const { ackWait = 0 } = source;
    const options = {
      clock: bed.time.clock({ alive: () => mine.alive }),
      ackWait,
      read: () => whileAlive(() => mine.alive, pause(bed, bed.random.between(1, 6)).then(events.reading)),
      owned: () => true,
      moved: () => {},
      log: (sentence: string) => bed.log(() => `bridge: ${sentence}`),
    };
    return changed(source, {
      start(sink) {
        gate = orderedGate(options, sink);
        hold();
        source.start(gate);
      },
      async stop() {
        await source.stop();
        gate?.stop();
      },
    });
  };

  const eventSource = (mine: Life): Source => (plan.ordered && !attack.ungated ? orderedSource(mine) : events.source(() => mine.alive));

  const guarded = (source: Source, isAlive: () => boolean): Source =>
    changed(source, { readFloor: () => whileAlive(isAlive, source.readFloor()) });

  const newDispatcher = (isAlive: () => boolean) => {
    const out = attack.publisher?.(publisher) ?? publisher;
    const call = attack.invoker?.(invoker) ?? invoker;
    return createDispatcher({
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
      inHand,
      elsewhere: async () => ({}),
      metrics: noMetrics,
      log: (sentence) => bed.log(() => `bridge: ${sentence}`),
      ...attack.dispatcher,
    });
  };

  const start = () => {
    const mine: Life = { number: ++started, alive: true, draining: false, drain: async () => {} };
    const isAlive = () => mine.alive;
    const dispatcher = newDispatcher(isAlive);
    mine.drain = dispatcher.drain;
    lives.push(mine);
    bed.log(() => `bridge ${mine.number} starts`);
    for (const binding of bindings) {
      const source = binding.alarms ? alarms.source(isAlive) : binding.source.kind === 'core' ? coreSource(mine) : eventSource(mine);
      dispatcher.attach(attack.binding?.(binding) ?? binding, guarded(attack.source?.(source) ?? source, isAlive));
    }
  };

  const end = (life: Life) => {
    life.alive = false;
    core.leave(life);
    lives = lives.filter((other) => other !== life);
  };

  const serving = () => lives.filter(({ draining }) => !draining);
  const replace = () => {
    if (serving().length === 0) start();
  };

  /** Answers whether it did not die meanwhile. */
  const drain = async (life: Life): Promise<boolean> => {
    life.draining = true;
    await life.drain();
    const drained = life.alive;
    if (drained) end(life);
    return drained;
  };

  return {
    start,
    /** One dies; `x`, 0 to 1, says which, and how long it takes until it is replaced. */
    crash(x: number) {
      const life = lives[Math.floor(x * lives.length)];
      if (!life) return;
      bed.log(() => `bridge ${life.number} is dead`);
      end(life);
      later(bed, 50 + Math.round(x * 1000), replace);
    },
    /** The newest drains, and hands over; `between` is done when it has drained. */
    restart(between?: () => void) {
      const life = serving().at(-1);
      if (!life) return;
      if (between && attack.undrained) return between();
      void drain(life).then((drained) => {
        if (drained) between?.();
        if (drained) replace();
      });
    },
    /** Another one takes it; the one before notices after `ms`, and drains. */
    overlap(ms: number) {
      const before = serving().at(-1);
      if (!before) return;
      start();
      later(bed, ms, () => {
        if (before.alive && !before.draining) void drain(before).then(replace);
      });
    },
    isIdle: () => serving().length > 0 && core.delivered(),
    end: () => lives.forEach(end),
  };
};
