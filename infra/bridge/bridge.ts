/**
 * The bridge: for every function of the manifest a dispatcher, for every binding a source. This file only connects them;
 * `dispatcher.ts` is where messages become invocations.
 */
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { systemClock } from '#shared/clock.ts';
import { matchesFilter } from '#shared/subjects.ts';
import { WRITE_MARGIN_MS } from '#shared/table/client.ts';
import { alarmSource } from './alarm-source.ts';
import { coreSource } from './core-source.ts';
import { createDispatcher, type Dispatcher } from './dispatcher.ts';
import { jetstreamSource } from './jetstream-source.ts';
import type { Binding, FunctionEntry, Manifest } from './manifest.ts';
import { createMetrics } from './metrics.ts';
import { natsPublisher } from './nats-publisher.ts';
import type { Invoker, Source } from './ports.ts';
import { durableName } from './record.ts';
import { requestSource, respondTo } from './request-source.ts';
import { startSchedules } from './schedules.ts';
import { watchUnrouted } from './unrouted.ts';

/** After an invocation and its last write, so long until the server delivers again. */
const ACK_SLACK_MS = 2000;

/** How often NATS is asked whether it is there, and after how long without an answer the bridge is not ready. */
const WATCH_MS = 2000;
const SILENT_MS = 10_000;

/** Streams that capture whole families, so also what nobody knows. */
const WATCHED_STREAMS = ['SUPERVISION_EVENTS', 'COORDINATION_MESSAGES', 'COORDINATION', 'ALERTS'];

export type BridgeOptions = {
  manifest: Manifest;
  connection: NatsConnection;
  invoker: Invoker;
  /** Told one sentence at a time. */
  log: (sentence: string) => void;
  /** Streams whose unknown subjects are dead-lettered. */
  watched?: readonly string[];
};

export type Bridge = {
  /** Takes nothing more and finishes what is in flight; gives up on that after `ms`. */
  drain(ms: number): Promise<void>;
  ready(): { ok: boolean; why?: string };
  /** Prometheus text. */
  metrics(): Promise<string>;
};

/** Alarms of a function come through its lanes like everything else, but they are retried for ever, slower and slower. */
const alarmBinding = (fn: FunctionEntry): Binding => ({
  name: `${fn.name}.alarms`,
  function: fn.name,
  source: { kind: 'jetstream', stream: 'TIMERS', subjects: [] },
  batchSize: Math.max(100, ...fn.bindings.map((binding) => binding.batchSize)),
  batchWindow: 0,
  // timers.due.<function>.<kind>.<id>
  groupBy: { token: 5 },
  retry: { attempts: 5, backoff: [1000, 5000, 30_000, 60_000], maxAge: Number.MAX_SAFE_INTEGER },
  alarms: true,
});

/** Resolves when every consumer stands and every subscription is made. */
export const startBridge = async ({
  manifest,
  connection: nc,
  invoker,
  log,
  watched = WATCHED_STREAMS,
}: BridgeOptions): Promise<Bridge> => {
  const metrics = createMetrics();
  const publisher = natsPublisher({ nc });
  await publisher.refresh();
  const manager = await jetstreamManager(nc);
  const started = Date.now();
  const bridgeId = nc.info?.client_id !== undefined ? `${started.toString(36)}${nc.info.client_id}` : started.toString(36);

  const sourceOf = async (fn: FunctionEntry, binding: Binding): Promise<Source> => {
    const ackWait = fn.timeout + WRITE_MARGIN_MS + ACK_SLACK_MS;
    if (binding.alarms) return alarmSource({ nc, functionName: fn.name, durable: durableName(binding.name), ackWait, log });
    const { source } = binding;
    switch (source.kind) {
      case 'jetstream':
        return jetstreamSource({ nc, stream: source.stream, durable: durableName(binding.name), subjects: source.subjects, ackWait, log });
      case 'core':
      case 'request': {
        const dropped = metrics.dropped.labels({ binding: binding.name });
        const make = source.kind === 'core' ? coreSource : requestSource;
        return make({ nc, binding: binding.name, subjects: source.subjects, bridgeId, started, dropped: () => dropped.inc() });
      }
      default:
        throw source satisfies never;
    }
  };

  const dispatchers: Dispatcher[] = [];
  for (const fn of manifest.functions) {
    const dispatcher = createDispatcher({
      fn,
      invoker,
      publisher,
      clock: systemClock,
      random: Math.random,
      writeMargin: WRITE_MARGIN_MS,
      metrics,
      log,
    });
    const bindings = [alarmBinding(fn), ...fn.bindings];
    const sources = await Promise.all(bindings.map((binding) => sourceOf(fn, binding)));
    for (const [n, binding] of bindings.entries()) dispatcher.attach(binding, sources[n] as Source);
    dispatchers.push(dispatcher);
  }
  const unwatch = await Promise.all(watched.map((stream) => watchUnrouted(stream, { nc, manager, publisher, metrics, log })));
  answerUnknownRequests(nc, manifest);
  const stopSchedules = startSchedules({ functions: manifest.functions, publisher, clock: systemClock, log });
  await nc.flush();

  let answeredAt = Date.now();
  const ask = async (): Promise<void> => {
    try {
      await nc.flush();
      answeredAt = Date.now();
    } catch {
      // Silence is what is looked for.
    }
  };
  const watching = setInterval(() => void ask(), WATCH_MS);
  const drainAll = async (): Promise<void> => {
    stopSchedules();
    await Promise.all([...dispatchers.map((dispatcher) => dispatcher.drain()), ...unwatch.map((stop) => stop())]);
    clearInterval(watching);
    publisher.close();
    await nc.flush();
  };

  return {
    drain: (ms) => Promise.race([drainAll(), new Promise<void>((resolve) => setTimeout(resolve, ms).unref())]),
    ready: () => {
      if (nc.isClosed()) return { ok: false, why: 'the connection to NATS is closed' };
      if (Date.now() - answeredAt > SILENT_MS) return { ok: false, why: `NATS has not answered for ${SILENT_MS / 1000} s` };
      const why = dispatchers.map((dispatcher) => dispatcher.blocked()).find((sentence) => sentence !== undefined);
      return why === undefined ? { ok: true } : { ok: false, why };
    },
    metrics: metrics.text,
  };
};

/** An operator who misspells a verb gets a sentence, not a timeout. */
const answerUnknownRequests = (nc: NatsConnection, manifest: Manifest): void => {
  const answered = manifest.functions.flatMap((fn) =>
    fn.bindings.flatMap(({ source }) => (source.kind === 'request' ? source.subjects : [])),
  );
  const verbs = answered.filter((subject) => subject.startsWith('control.')).join(', ') || 'none';
  nc.subscribe('control.>', {
    queue: 'bridge_unknown-requests',
    callback: (error, message) => {
      if (error || !message.reply || answered.some((filter) => matchesFilter(filter, message.subject))) return;
      const text = `nothing answers ${message.subject}; what is answered: ${verbs}`;
      respondTo(nc, message)({ error: { code: 'not_found', message: text } });
    },
  });
};
