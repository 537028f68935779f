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
import { type BindingState, bindingStates } from './control/binding-state.ts';
import { answerControl, CONTROL_SUBJECTS } from './control/control.ts';
import { natsInHand } from './control/in-hand.ts';
import type { Binding, FunctionEntry, Manifest } from './manifest/manifest.ts';
import { type Share, sharesOf } from './manifest/shares.ts';
import { type LagBinding, watchLag } from './observe/lag.ts';
import { type BridgeMetrics, createMetrics } from './observe/metrics.ts';
import type { Tracing } from './observe/tracing.ts';
import { type FunctionDuty, functionDuty } from './ownership/function-duty.ts';
import { startOwnership } from './ownership/ownership.ts';
import type { Duty } from './ownership/tenure.ts';
import type { Invoker, Source } from './ports/ports.ts';
import { durableName } from './ports/record.ts';
import { natsPublisher } from './publish/nats-publisher.ts';
import { workQueuesDuty } from './queues/work-queues.ts';
import { alarmSource } from './sources/alarm-source.ts';
import { coreSource } from './sources/core-source.ts';
import { ConsumerError } from './sources/durable-consumer.ts';
import { floorsElsewhere } from './sources/floors-elsewhere.ts';
import { jetstreamSource } from './sources/jetstream-source.ts';
import { microService } from './sources/micro-service.ts';
import { requestSource, respondTo } from './sources/request-source.ts';
import { type UnroutedOptions, WATCHED_STREAMS, watchUnrouted } from './sources/unrouted.ts';

/** After an invocation and its last write, so long until the server delivers again. */
const ACK_SLACK_MS = 2000;

/** How often NATS is asked whether it is there, and after how long without an answer the bridge is not ready. */
const WATCH_MS = 2000;
const SILENT_MS = 10_000;
/** For what was begun when another binding was refused. */
const REFUSED_MS = 5000;

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
  // Until the streams can be read, outputs wait.
  await publisher.refresh().catch((error: Error) => log(error.message));
  const manager = await jetstreamManager(nc);
  const states = await bindingStates({ nc, log });
  const inHand = await natsInHand(nc);
  const started = Date.now();

  const sourceOf = async (fn: FunctionEntry, binding: Binding, { epoch, start }: BindingState, owned: () => boolean): Promise<Source> => {
    const { source, name, ordered } = binding;
    const durable = { nc, durable: durableName(name), ackWait: fn.timeout + WRITE_MARGIN_MS + ACK_SLACK_MS, log };
    if (binding.alarms) return alarmSource({ ...durable, functionName: fn.name });
    switch (source.kind) {
      case 'jetstream': {
        const from = start ?? binding.start;
        return jetstreamSource({ ...durable, ...source, epoch, ...(from && { start: from }), ...(ordered && { ordered, owned }) });
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

  const all = manifest.functions.flatMap(sharesOf);
  const shares = all.map((share) =>
    functionDuty({
      share,
      invoker,
      publisher,
      states,
      sourceOf: (binding, state, owned) => sourceOf(share.fn, binding, state, owned),
      announce: ({ name, description = '' }, endpoints) =>
        microService({ nc, name, version: packageJson.version, description, endpoints, started }),
      flush: () => nc.flush(),
      clock: systemClock,
      random: Math.random,
      writeMargin: WRITE_MARGIN_MS,
      inHand,
      elsewhere: floorsElsewhere(manager, otherBindings(all, share), systemClock),
      metrics,
      tracing,
      log,
    }),
  );
  const unrouted = watched.map((stream) =>
    unroutedDuty(stream, { nc, manager, publisher, metrics, heard: filtersOn(stream, manifest), log }),
  );
  const queues = workQueuesDuty({ nc, manager, publisher, metrics, log });
  states.watch((binding) => {
    for (const share of shares) share.changed(binding);
  });
  const ownership = await startOwnership({ nc, bridgeId, duties: [...shares, ...unrouted, queues], log });

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
    // Where NATS is away there is nothing to wait for.
    await nc.flush().catch(() => {});
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
      // What another bridge does is not in this one's way.
      const owners = ownership.owners();
      const own = shares.filter(({ name }) => (owners.get(name) ?? bridgeId) === bridgeId);
      const why = silence.why() ?? own.map((share) => share.blocked()).find((sentence) => sentence !== undefined);
      return why === undefined ? { ok: true } : { ok: false, why };
    },
    metrics: metrics.text,
  };
};

/** Those of the function's other partitions. */
const otherBindings = (shares: readonly Share[], { name, fn }: Share): Binding[] =>
  shares.filter((other) => other.fn.name === fn.name && other.name !== name).flatMap(({ bindings }) => bindings);

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

/** What the functions hear of a stream. */
const filtersOn = (stream: string, { functions }: Manifest): string[] =>
  functions.flatMap(({ bindings }) =>
    bindings.flatMap(({ source }) => (source.kind === 'jetstream' && source.stream === stream ? source.subjects : [])),
  );

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
