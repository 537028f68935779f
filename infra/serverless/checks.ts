/**
 * What a `serverless.yml` may say although it cannot work, found before anything is deployed. Every mistake is a sentence
 * that names the function and the event.
 */
import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { catalogue } from '#shared/messages/catalogue.ts';
import { internalSubjects, toFilter } from '#shared/subjects.ts';
import { WRITE_MARGIN_MS } from '#shared/table/client.ts';
import type { Binding, FunctionEntry, Manifest } from '../bridge/manifest/manifest.ts';
import { covers, overlap } from '../nats/subject-filters.ts';
import type { KnownStream } from './known-streams.ts';

/** What Lambda takes in an invocation. */
const PAYLOAD_BYTES = 6_000_000;
/** A function that may publish there may do anything. */
const OF_THE_SERVER = ['$JS.>', '$SYS.>'];

const protocol = [...catalogue.map(({ subject }) => subject), ...Object.values(internalSubjects)].map(toFilter);

/** `>` stands for the rest, so it is last. */
const isFilter = (filter: string): boolean => !filter.split('.').slice(0, -1).includes('>');

const list = (names: readonly string[]): string => names.join(', ');

const where = ({ function: name, name: binding }: Binding): string => `functions.${name}, event ${binding.slice(name.length + 1)}`;

const filterMistakes = (binding: Binding): string[] =>
  binding.source.subjects
    .filter((subject) => !isFilter(subject))
    .map((subject) => `${where(binding)}: ${subject} is no subject filter: > may only be its last token`);

const streamMistakes = (binding: Binding, streams: readonly KnownStream[]): string[] => {
  if (binding.source.kind !== 'jetstream') return [];
  const { stream: name, subjects } = binding.source;
  if (name === 'TIMERS') return [`${where(binding)}: TIMERS is the bridge's own: an entity is woken by the wakeAt of its decision`];
  const stream = streams.find((one) => one.name === name);
  if (!stream)
    return [`${where(binding)}: there is no stream ${name}: correct its name, or declare it under custom.nats.streams with its subjects`];
  return subjects
    .filter((subject) => isFilter(subject) && !stream.subjects.some((captured) => covers(captured, subject)))
    .map((subject) => `${where(binding)}: the stream ${name} does not capture ${subject}: it has ${list(stream.subjects)}`);
};

const requestMistakes = (binding: Binding, streams: readonly KnownStream[]): string[] => {
  if (binding.source.kind !== 'request') return [];
  return binding.source.subjects.flatMap((subject) =>
    streams
      .filter((stream) => stream.subjects.some((captured) => overlap(captured, subject)))
      .map(
        ({ name }) =>
          `${where(binding)}: the stream ${name} captures requests on ${subject}, and its acknowledgement would be their first answer: use another subject`,
      ),
  );
};

/** The smallest message of a binding as the function gets it. */
const leastBytes = ({ source }: Binding): number => {
  const of = source.kind === 'jetstream' ? source.stream : source.kind;
  const subject = source.subjects.toSorted((a, b) => a.length - b.length)[0] ?? '';
  const now = Date.now();
  const id = `${of}@${now}:1:${now}`;
  const timestamp = new Date(now).toISOString();
  return JSON.stringify({ id, subject, data: '', encoding: 'utf8', headers: {}, sequence: 1, deliveries: 1, timestamp }).length + 1;
};

const batchMistakes = (binding: Binding): string[] => {
  const most = Math.floor(PAYLOAD_BYTES / leastBytes(binding));
  if (binding.batchSize <= most) return [];
  return [
    `${where(binding)}: batchSize ${binding.batchSize} is more than an invocation can carry, even of empty messages: ${most} at most`,
  ];
};

/** The bridge's ack wait is longer than the timeout by itself; what is given up earlier than that is given up while it is decided. */
const timeMistakes = (binding: Binding, { timeout }: FunctionEntry): string[] => {
  const least = timeout + WRITE_MARGIN_MS;
  if (binding.retry.maxAge > least) return [];
  return [
    `${where(binding)}: retry.maxAge ${binding.retry.maxAge} ms gives a message up while its first invocation may still run: make it more than ${least} ms, or the function's timeout shorter`,
  ];
};

const groupMistakes = (binding: Binding): string[] => {
  const { groupBy, source } = binding;
  if (!groupBy || !('tokens' in groupBy)) return [];
  const token = Math.max(...groupBy.tokens);
  return source.subjects
    .filter((subject) => !subject.endsWith('>') && subject.split('.').length < token)
    .map((subject) => `${where(binding)}: groupBy $${token} is a token that ${subject} does not have`);
};

const publishMistakes = ({ name, publishes }: FunctionEntry, streams: readonly KnownStream[]): string[] =>
  publishes.flatMap((subject) => {
    const says = `functions.${name}, publishes`;
    if (!isFilter(subject)) return [`${says}: ${subject} is no subject filter: > may only be its last token`];
    if (OF_THE_SERVER.some((filter) => overlap(filter, subject)))
      return [`${says}: ${subject} lets the function command the NATS server: name the first token of what it publishes`];
    const captured = streams.some((stream) => stream.subjects.some((filter) => overlap(filter, subject)));
    if (captured || protocol.some((filter) => overlap(filter, subject))) return [];
    return [`${says}: no stream captures ${subject} and no message of the protocol goes there: correct it, or declare its stream`];
  });

const nameMistakes = ({ name, bindings, schedules = [] }: FunctionEntry): string[] => {
  const names = [...bindings.map((binding) => binding.name.slice(name.length + 1)), ...schedules.map((schedule) => schedule.name)];
  const twice = new Set(names.filter((event, n) => names.indexOf(event) !== n));
  return [...twice].map((event) => `functions.${name}: two nats events are named ${event}: give each a name of its own`);
};

/** A work queue gives a message to one consumer only, so the server refuses the second. */
const workQueueMistakes = (bindings: readonly Binding[], streams: readonly KnownStream[]): string[] =>
  streams
    .filter(({ workQueue }) => workQueue)
    .flatMap(({ name }) => {
      const consumers = bindings.filter(({ source }) => source.kind === 'jetstream' && source.stream === name);
      return consumers.flatMap((one, n) =>
        consumers
          .slice(n + 1)
          .filter((other) => one.source.subjects.some((a) => other.source.subjects.some((b) => overlap(a, b))))
          .map(
            (other) =>
              `${where(other)}: ${one.name} already takes ${list(one.source.subjects)} of the work queue ${name}: a message of it has one consumer`,
          ),
      );
    });

/** Paths are told from `folder` on. */
export const moduleMistakes = ({ functions }: Manifest, folder: string): string[] =>
  functions.flatMap(({ name, handler }) => {
    if (!handler || existsSync(handler.module)) return [];
    return [`functions.${name}: there is no ${relative(folder, handler.module)}: correct its handler`];
  });

/** All mistakes at once, but for files that are missing. */
export const packageMistakes = ({ functions }: Manifest, streams: readonly KnownStream[]): string[] => [
  ...functions.flatMap((fn) => [
    ...nameMistakes(fn),
    ...fn.bindings.flatMap((binding) => [
      ...filterMistakes(binding),
      ...streamMistakes(binding, streams),
      ...requestMistakes(binding, streams),
      ...batchMistakes(binding),
      ...timeMistakes(binding, fn),
      ...groupMistakes(binding),
    ]),
    ...publishMistakes(fn, streams),
  ]),
  ...workQueueMistakes(
    functions.flatMap(({ bindings }) => bindings),
    streams,
  ),
];
