/** The bridge, one process after the other, on the simulated world: the real dispatcher, and wrappers where a rule is attacked. */
import type { DispatcherOptions } from '#infra/bridge/dispatch.ts';
import { createDispatcher } from '#infra/bridge/dispatcher.ts';
import type { Binding } from '#infra/bridge/manifest.ts';
import type { Invoker, Publisher, Source } from '#infra/bridge/ports.ts';
import { unstoredSource } from '#infra/bridge/unstored-source.ts';
import { aBinding, aFunction, noMetrics } from '#test/support/fake-ports.ts';
import { type Bed, later, whileAlive } from './bed.ts';
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
};

export type Core = ReturnType<typeof createCore>;

/** NATS without a stream: who listens now gets it. */
export const createCore = () => {
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
  attack: BridgeAttack;
  events: Stream;
  alarms: Stream;
  core: Core;
  invoker: Invoker;
  publisher: Publisher;
};

const RETRY = { attempts: 4, backoff: [200, 800], maxAge: 3_600_000 };

/** A crashed one is silent: nothing that it waits for ever comes. */
export const createBridges = (bed: Bed, { plan, attack, events, alarms, core, invoker, publisher }: BridgeWorld) => {
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
    const out = attack.publisher?.(publisher) ?? publisher;
    const call = attack.invoker?.(invoker) ?? invoker;
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
      dispatcher.attach(attack.binding?.(binding) ?? binding, guarded(attack.source?.(source) ?? source, isAlive));
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
