/**
 * Another position for a stream binding: a new epoch of its consumer (protocol, bridge rule 10). What acted before does not
 * act again, since its entity remembers it.
 */
import { JetStreamApiCodes, type JetStreamManager, RetentionPolicy, type StreamInfo } from '@nats-io/jetstream';
import type { Binding, Start } from '../manifest/manifest.ts';
import { isApiError } from '../ports/api-error.ts';
import { durableName } from '../ports/record.ts';
import { consumerEpoch, findConsumer } from '../sources/durable-consumer.ts';
import { countFrom, type From, originOf } from '../sources/start-position.ts';
import type { BindingStates } from './binding-state.ts';

/** An operator asked for what cannot be; code and message are the answer. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

type Position = Exclude<Start, string>;
/** `from` is a replay: it only goes back. */
export type Wanted = { to: Start } | { from: Position };

/** `messages`: how many will be delivered from there on, of those that the stream has now. */
export type Rewound = { binding: string; epoch: number; from_sequence: number; messages: number };

type RewindOptions = { manager: JetStreamManager; states: BindingStates; log(sentence: string): void };

/** Resolves when the new epoch is wanted; the owner makes it. Rejects with a Refusal. */
export const rewind = async (
  { manager, states, log }: RewindOptions,
  binding: Binding,
  wanted: Wanted,
  by = 'an operator',
): Promise<Rewound> => {
  const { name, source } = binding;
  if (source.kind !== 'jetstream') throw new Refusal('invalid_binding', `${name} has no position: no stream keeps its messages`);
  if (binding.alarms)
    throw new Refusal(
      'invalid_binding',
      `${name} has no position: an alarm that went off is gone, control.reconciler.run finds what is owed`,
    );
  const stream = await streamOf(manager, source.stream);
  const standing = await findConsumer(manager, { stream: source.stream, durable: durableName(name) });
  const { start, first, messages } = await resolve(manager, stream, source.subjects, 'to' in wanted ? wanted.to : wanted.from);
  if ('from' in wanted) {
    if (!standing) throw new Refusal('not_found', `${name} has no consumer yet: there is nothing to replay`);
    const floor = standing.ack_floor.stream_seq;
    if (floor === 0) throw new Refusal('invalid_from', `${name} has settled nothing yet: there is nothing to replay`);
    if (first > floor)
      throw new Refusal(
        'invalid_from',
        `from: is sequence ${first}, but ${name} has settled no further than ${floor}: name one up to that`,
      );
  }
  // The consumer may be ahead of the state, where the bucket was lost.
  const least = standing ? consumerEpoch(standing) : 0;
  const { epoch } = await states.change(name, (state) => ({ ...state, epoch: Math.max(state.epoch, least) + 1, start }));
  log(`${name}: begins again at sequence ${first} in epoch ${epoch}, by ${by}; ${messages} messages will be delivered`);
  return { binding: name, epoch, from_sequence: first, messages };
};

const streamOf = async (manager: JetStreamManager, name: string): Promise<StreamInfo> => {
  const stream = await manager.streams.info(name).catch((error) => {
    if (!isApiError(error, JetStreamApiCodes.StreamNotFound)) throw error;
    throw new Refusal('not_found', `the stream ${name} does not exist`);
  });
  // There a message is gone when it is settled, and without its consumer also when it is not.
  if (stream.config.retention !== RetentionPolicy.Limits)
    throw new Refusal('invalid_binding', `the stream ${name} keeps nothing that is settled (retention ${stream.config.retention})`);
  return stream;
};

type Resolved = { start: From; first: number; messages: number };

/** As a sequence, so that the answer says what will be: `new` is now, not when the owner comes to it. */
const resolve = async (manager: JetStreamManager, stream: StreamInfo, subjects: string[], wanted: Start): Promise<Resolved> => {
  const { first_seq, last_seq } = stream.state;
  const end = last_seq + 1;
  const at = (sequence: number): From => ({ sequence, of: originOf(stream) });
  if (wanted === 'new') return { start: at(end), first: end, messages: 0 };
  const position = wanted === 'all' ? { sequence: 1 } : wanted;
  if ('sequence' in position && position.sequence > end)
    throw new Refusal(
      'invalid_position',
      `there is no sequence ${position.sequence}: the stream ${stream.config.name} ends with ${last_seq}`,
    );
  const { sequence, messages } = await countFrom(manager, stream, subjects, position);
  const first = Math.max(sequence, first_seq);
  return { start: wanted === 'all' ? 'all' : at(first), first, messages };
};
