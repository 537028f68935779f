/**
 * What an operator may do with bindings, as requests on `control.bridge.*`: see, pause, resume, reset, replay. Any bridge
 * answers: it looks whether that can be done and writes it into the binding's state; the owner sees the state and acts.
 */
import { JetStreamApiCodes, type JetStreamManager } from '@nats-io/jetstream';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import {
  controlBridgeList,
  controlBridgePause,
  controlBridgeReplay,
  controlBridgeReset,
  controlBridgeResume,
  controlBridgeShow,
} from '#shared/messages/control.ts';
import { readMessage } from '#shared/messages/read.ts';
import type { Binding, Manifest } from '../manifest/manifest.ts';
import { sharesOf } from '../manifest/shares.ts';
import { isApiError } from '../ports/api-error.ts';
import { batchRecord, durableName } from '../ports/record.ts';
import { dueSubjects } from '../publish/timers.ts';
import { readQueues } from '../queues/read-queues.ts';
import { findConsumer } from '../sources/durable-consumer.ts';
import { respondTo } from '../sources/request-source.ts';
import type { BindingState, BindingStates } from './binding-state.ts';
import { Refusal, rewind } from './rewind.ts';

export type ControlOptions = {
  nc: NatsConnection;
  manager: JetStreamManager;
  manifest: Manifest;
  states: BindingStates;
  /** The bridge that owns a share of a function, by the share's name. */
  owners(): Map<string, string>;
  log(sentence: string): void;
};

const VERBS = [
  controlBridgeList,
  controlBridgeShow,
  controlBridgePause,
  controlBridgeResume,
  controlBridgeReset,
  controlBridgeReplay,
] as const;

/** The subjects that are answered. */
export const CONTROL_SUBJECTS: readonly string[] = VERBS.map(({ subject }) => subject);

/** Answers until the returned function is called. */
export const answerControl = (options: ControlOptions): (() => void) => {
  const { nc, log } = options;
  const bindings = options.manifest.functions.flatMap((fn) =>
    sharesOf(fn).flatMap((share) => share.bindings.map((binding): Known => ({ binding, share: share.name }))),
  );
  const answer = async (msg: Msg): Promise<void> => {
    const respond = respondTo(nc, msg);
    try {
      respond({ data: JSON.stringify(await handle(options, bindings, msg)) });
    } catch (error) {
      const { message } = error as Error;
      if (!(error instanceof Refusal)) log(`${msg.subject} failed: ${message}`);
      respond({ error: { code: error instanceof Refusal ? error.code : 'failed', message } });
    }
  };
  const subscriptions = CONTROL_SUBJECTS.map((subject) =>
    nc.subscribe(subject, {
      queue: 'bridge_control',
      callback: (error, msg) => {
        if (!error && msg.reply) void answer(msg);
      },
    }),
  );
  return () => {
    for (const subscription of subscriptions) subscription.unsubscribe();
  };
};

type Known = { binding: Binding; share: string };

const handle = async (options: ControlOptions, bindings: readonly Known[], msg: Msg): Promise<unknown> => {
  const now = Date.now();
  const read = readMessage(VERBS, batchRecord(msg, { origin: 'control', sequence: 1, timestamp: now, deliveries: 1 }));
  if (!read.ok) throw new Refusal(read.code, read.message);
  const { event } = read;
  switch (event.message) {
    case 'controlBridgeList':
      return { bindings: await Promise.all(bindings.map((known) => describe(options, known))), queues: await queuesOf(options) };
    case 'controlBridgeShow':
      return { bindings: await Promise.all(named(bindings, event.body.binding).map((known) => describe(options, known))) };
    case 'controlBridgePause':
    case 'controlBridgeResume':
      return pause(options, named(bindings, event.body.binding), event.message === 'controlBridgePause', event.body.by);
    case 'controlBridgeReset':
      return rewind(options, one(bindings, event.body.binding), { to: event.body.to }, event.body.by);
    case 'controlBridgeReplay':
      return rewind(options, one(bindings, event.body.binding), { from: event.body.from }, event.body.by);
    default:
      throw event satisfies never;
  }
};

/** A binding, or all of a function's. */
const named = (bindings: readonly Known[], name: string): Known[] => {
  const found = bindings.filter(({ binding }) => binding.name === name || binding.function === name);
  if (found.length > 0) return found;
  throw new Refusal('not_found', `there is no binding and no function ${name}: control.bridge.list says which there are`);
};

const one = (bindings: readonly Known[], name: string): Binding => {
  const found = named(bindings, name);
  const [first] = found as [Known];
  if (first.binding.name === name) return first.binding;
  throw new Refusal('invalid_binding', `${name} is a function: say which of ${found.map(({ binding }) => binding.name).join(', ')}`);
};

const sourceOf = ({ source, ...binding }: Binding) => {
  if (source.kind !== 'jetstream') return { [source.kind]: source.subjects };
  return { stream: source.stream, subjects: binding.alarms ? [dueSubjects(binding.function)] : source.subjects };
};

const describe = async ({ manager, states, owners }: ControlOptions, { binding, share }: Known) => {
  const { paused = false, epoch } = states.get(binding.name);
  const owner = owners().get(share);
  const { name, source } = binding;
  return {
    ...{ binding: name, function: binding.function, source: sourceOf(binding), paused, epoch },
    ...(owner !== undefined && { owner }),
    ...(source.kind === 'jetstream' && (await position(manager, source.stream, name))),
  };
};

const position = async (manager: JetStreamManager, stream: string, binding: string) => {
  try {
    const info = await findConsumer(manager, { stream, durable: durableName(binding) });
    if (!info) return { problem: 'its consumer does not exist yet: a bridge that owns it makes it' };
    return { pending: info.num_pending, unsettled: info.num_ack_pending, floor: info.ack_floor.stream_seq };
  } catch (error) {
    return { problem: `its consumer cannot be read: ${(error as Error).message}` };
  }
};

/** None where there is no stream of work. */
const queuesOf = async ({ manager }: ControlOptions) => {
  const readings = await readQueues(manager).catch((error: Error) => {
    if (isApiError(error, JetStreamApiCodes.StreamNotFound)) return [];
    throw error;
  });
  return readings.map(({ name, oldestAgeSeconds, ...reading }) => ({ queue: name, ...reading, oldest_age_seconds: oldestAgeSeconds }));
};

const LOST = {
  jetstream: {},
  core: { note: 'its messages are lost while it is paused' },
  request: { note: 'its requests are not answered by this binding while it is paused' },
};

const pause = async ({ states, log }: ControlOptions, bindings: readonly Known[], paused: boolean, by = 'an operator') => {
  const change = ({ paused: _, ...state }: BindingState): BindingState => (paused ? { ...state, paused } : state);
  const names = bindings.map(({ binding }) => binding.name);
  await Promise.all(names.map((name) => states.change(name, change)));
  log(`${names.join(', ')}: ${paused ? 'paused' : 'resumed'} by ${by}`);
  return { bindings: bindings.map(({ binding: { name, source } }) => ({ binding: name, paused, ...(paused && LOST[source.kind]) })) };
};
