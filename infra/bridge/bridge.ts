/**
 * The bridge: for every function of the manifest a dispatcher, for every binding a source. This file only connects them;
 * `dispatcher.ts` is where messages become invocations.
 */
import { jetstreamManager } from '@nats-io/jetstream';
import { type NatsConnection, nuid } from '@nats-io/transport-node';
import { systemClock } from '#shared/clock.ts';
import { matchesFilter } from '#shared/subjects.ts';
import { WRITE_MARGIN_MS } from '#shared/table/client.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { alarmSource } from './alarm-source.ts';
import { type BindingState, bindingStates } from './binding-state.ts';
import { answerControl, CONTROL_SUBJECTS } from './control.ts';
import { coreSource } from './core-source.ts';
import { ConsumerError } from './durable-consumer.ts';
import { type FunctionDuty, functionDuty } from './function-duty.ts';
import { jetstreamSource } from './jetstream-source.ts';
import { type LagBinding, watchLag } from './lag.ts';
import type { Binding, FunctionEntry, Manifest } from './manifest.ts';
import { type BridgeMetrics, createMetrics } from './metrics.ts';
import { microService } from './micro-service.ts';
import { natsPublisher } from './nats-publisher.ts';
import { startOwnership } from './ownership.ts';
import type { Invoker, Source } from './ports.ts';
import { durableName } from './record.ts';
import { requestSource, respondTo } from './request-source.ts';
import { sharesOf } from './shares.ts';
import type { Duty } from './tenure.ts';
import type { Tracing } from './tracing.ts';
import { type UnroutedOptions, watchUnrouted } from './unrouted.ts';

/** After an invocation and its last write, so long until the server delivers again. */
const ACK_SLACK_MS = 2000;

/** How often NATS is asked whether it is there, and after how long without an answer the bridge is not ready. */
const WATCH_MS = 2000;
const SILENT_MS = 10_000;
/** For what was begun when another binding was refused. */
const REFUSED_MS = 5000;

/** Streams that capture whole families, so also what nobody knows. */
export const WATCHED_STREAMS = ['SUPERVISION_EVENTS', 'COORDINATION_MESSAGES', 'COORDINATION', 'ALERTS'];

export type BridgeOptions = {
  manifest: Manifest;
  connection: NatsConnection;
  invoker: Invoker;
  /** Told one sentence at a time. */
  log: (sentence: string) => void;
  metrics?: BridgeMetrics;
  tracing?: Tracing | undefined;
  /** One token of a subject, unique among the bridges. */
  bridgeId?: string;
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

/** Resolves when this bridge takes part; alone, when every consumer stands and every subscription is made. */
export const startBridge = async ({
  manifest,
  connection: nc,
  invoker,
  log,
  metrics = createMetrics(),
  tracing,
  bridgeId = nuid.next(),
  watched = WATCHED_STREAMS,
}: BridgeOptions): Promise<Bridge> => {
  const publisher = natsPublisher({ nc });
  await publisher.refresh();
  const manager = await jetstreamManager(nc);
  const states = await bindingStates({ nc, log });
  const started = Date.now();

  const sourceOf = async (fn: FunctionEntry, binding: Binding, { epoch, start }: BindingState): Promise<Source> => {
    const { source, name, ordered } = binding;
    const durable = { nc, durable: durableName(name), ackWait: fn.timeout + WRITE_MARGIN_MS + ACK_SLACK_MS, log };
    if (binding.alarms) return alarmSource({ ...durable, functionName: fn.name });
    switch (source.kind) {
      case 'jetstream': {
        const from = start ?? binding.start;
        return jetstreamSource({ ...durable, ...source, epoch, ...(from && { start: from }), ...(ordered && { ordered }) });
      }
      case 'core':
      case 'request': {
        const { dropped } = metrics.binding(name);
        const make = source.kind === 'core' ? coreSource : requestSource;
        // Whoever had it before counted for itself.
        return make({ nc, binding: name, subjects: source.subjects, bridgeId, started: Date.now(), dropped: dropped.inc });
      }
      default:
        throw source satisfies never;
    }
  };

  const shares = manifest.functions.flatMap(sharesOf).map((share) =>
    functionDuty({
      share,
      invoker,
      publisher,
      states,
      sourceOf: (binding, state) => sourceOf(share.fn, binding, state),
      announce: ({ name, description = '' }, endpoints) =>
        microService({ nc, name, version: packageJson.version, description, endpoints, started }),
      flush: () => nc.flush(),
      clock: systemClock,
      random: Math.random,
      writeMargin: WRITE_MARGIN_MS,
      metrics,
      tracing,
      log,
    }),
  );
  const unrouted = watched.map((stream) => unroutedDuty(stream, { nc, manager, publisher, metrics, log }));
  states.watch((binding) => {
    for (const share of shares) share.changed(binding);
  });
  const ownership = await startOwnership({ nc, bridgeId, duties: [...shares, ...unrouted], log });

  const stopControl = answerControl({ nc, manager, manifest, states, owners: ownership.owners, log });
  answerUnknownRequests(nc, manifest);
  const stopLag = watchLag({ manager, bindings: () => streamsOf(shares), metrics });
  const silence = watchSilence(nc);
  await nc.flush();

  const drainAll = async (): Promise<void> => {
    stopControl();
    stopLag();
    states.close();
    await ownership.leave();
    silence.stop();
    publisher.close();
    await nc.flush();
  };
  const drain = (ms: number) => Promise.race([drainAll(), new Promise<void>((resolve) => setTimeout(resolve, ms).unref())]);

  const refusal = shares.map((share) => share.refusal()).find((error) => error instanceof ConsumerError);
  if (refusal) {
    await drain(REFUSED_MS);
    throw refusal;
  }

  return {
    drain,
    ready: () => {
      const why = silence.why() ?? shares.map((share) => share.blocked()).find((sentence) => sentence !== undefined);
      return why === undefined ? { ok: true } : { ok: false, why };
    },
    metrics: metrics.text,
  };
};

/** The stream bindings that this bridge has now. */
const streamsOf = (shares: readonly FunctionDuty[]): LagBinding[] =>
  shares
    .filter((share) => share.dispatcher())
    .flatMap(({ share }) => share.bindings)
    .flatMap(({ name, source }) => (source.kind === 'jetstream' ? [{ name, stream: source.stream, durable: durableName(name) }] : []));

/** Asks NATS from time to time whether it is there. */
const watchSilence = (nc: NatsConnection) => {
  let answeredAt = Date.now();
  const ask = async (): Promise<void> => {
    try {
      await nc.flush();
      answeredAt = Date.now();
    } catch {
      // Silence is what is looked for.
    }
  };
  const asking = setInterval(() => void ask(), WATCH_MS);
  return {
    why: (): string | undefined => {
      if (nc.isClosed()) return 'the connection to NATS is closed';
      return Date.now() - answeredAt > SILENT_MS ? `NATS has not answered for ${SILENT_MS / 1000} s` : undefined;
    },
    stop: () => clearInterval(asking),
  };
};

const unroutedDuty = (stream: string, options: UnroutedOptions): Duty => {
  let stop: (() => Promise<void>) | undefined;
  return {
    name: `unrouted.${stream}`,
    take: async () => {
      stop = await watchUnrouted(stream, options);
    },
    handOver: async () => stop?.(),
  };
};

/** An operator who misspells a verb gets a sentence, not a timeout. */
const answerUnknownRequests = (nc: NatsConnection, manifest: Manifest): void => {
  const answered = [
    ...CONTROL_SUBJECTS,
    ...manifest.functions.flatMap((fn) => fn.bindings.flatMap(({ source }) => (source.kind === 'request' ? source.subjects : []))),
  ];
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
