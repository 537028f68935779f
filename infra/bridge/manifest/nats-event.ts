/**
 * The `nats` event of a function in `serverless.yml`: what is told here is what the bridge checks, what an editor completes
 * (`infra/serverless/serverless.schema.json`) and what osls refuses.
 */
import * as z from 'zod';
import { filterMistakes } from '../filter/record-filter.ts';

const filter = z.string().regex(/^[^\s.]+(\.[^\s.]+)*$/, 'is not a subject filter: tokens divided by dots');
const filters = z.union([filter, z.array(filter).min(1)]).transform((value) => (Array.isArray(value) ? value : [value]));

const pattern = z.record(z.string(), z.unknown()).check((context) => {
  for (const { path, message } of filterMistakes(context.value))
    context.issues.push({ code: 'custom', message, path: [...path], input: context.value });
});

const word = z.string().regex(/^[a-z][a-z0-9-]*$/, 'a name has lower case letters, digits and -');

const start = z.union(
  [
    z.literal(['all', 'new']),
    z.strictObject({ time: z.iso.datetime({ offset: true }) }),
    z.strictObject({ sequence: z.number().int().min(1) }),
  ],
  'is all, new, { time: <ISO time, such as 2026-01-31T12:00:00Z> } or { sequence: <number> }',
);

const retry = z.strictObject({
  attempts: z.number().int().min(1).max(100).default(5).describe('Failures after which a message is given up'),
  backoff: z
    .array(z.number().int().min(0).max(3_600_000))
    .min(1)
    .default([1000, 5000, 30_000])
    .describe('Waits between attempts, ms; the last repeats'),
  maxAge: z.number().int().min(1000).default(3_600_000).describe('Age at which a message that fails is given up, ms'),
});

const fields = z.strictObject({
  name: word.optional().describe('Needed where a function has two or more events; the consumer is named by it'),
  stream: z.string().optional().describe('The JetStream stream whose messages come, each at least once'),
  subjects: filters.optional().describe('With stream: which of its subjects'),
  core: filters.optional().describe('Subjects that are subscribed without a stream: at most once'),
  request: filters.optional().describe('Subjects whose requests the function answers'),
  schedule: z.number().int().min(1).max(86_400).optional().describe('Seconds between alarms of the entity <name>#main'),
  fold: z.literal('latest').optional().describe('With core: only the newest message of a key within a batch, with a count'),
  batchSize: z.number().int().min(1).max(10_000).default(100).describe('Messages in an invocation, at most'),
  batchWindow: z.number().int().min(0).max(300_000).default(0).describe('How long a batch waits to fill, ms'),
  concurrency: z.number().int().min(1).max(1000).default(4).describe('Lanes of the function, so invocations in flight'),
  groupBy: z
    .string()
    .optional()
    .describe('What is decided together: a token of the subject ($2 is the second), several of them ($2-$3), or a field of the body'),
  ordered: z.boolean().default(false).describe('A message that is tried again holds back the later ones of its key'),
  start: start.optional().describe('Where a new consumer begins: all, new, a time or a sequence'),
  streamed: z.boolean().default(false).describe('With request: the function streams its answer'),
  partition: word.optional().describe('Events of a function with the same one have an owner and lanes of their own'),
  filter: pattern.optional().describe('An event pattern of EventBridge on the body; what does not match reaches no function'),
  retry: retry.prefault({}).describe('When a message that fails is tried again, and when it is given up'),
  publishes: filters.optional().describe('Subjects that the function may publish to'),
  own: z.boolean().default(false).describe('The function also receives what it published itself'),
});

/** Exactly one of `stream`, `core`, `request` and `schedule` says where the messages of an event come from. */
export const natsEventSchema = fields.check((context) => {
  const event = context.value;
  const say = (message: string, path: string) => context.issues.push({ code: 'custom', message, path: [path], input: event });
  const kinds = (['stream', 'core', 'request', 'schedule'] as const).filter((kind) => event[kind] !== undefined);
  if (kinds.length !== 1) say(`needs exactly one of stream, core, request and schedule, has ${kinds.join(' and ') || 'none'}`, 'stream');
  if (event.schedule !== undefined && !event.name) say('is needed with schedule: the kind of the entity that is woken', 'name');
  if (event.stream !== undefined && !event.subjects) say('is needed with stream: which of its subjects', 'subjects');
  if (event.stream === undefined && event.subjects) say('goes with stream only', 'subjects');
  if (event.fold && !event.core) say('goes with core only', 'fold');
  if (event.ordered && (!event.stream || !event.groupBy))
    say('goes with stream and groupBy only: what is ordered are the messages of a key', 'ordered');
  if (event.start && !event.stream) say('goes with stream only', 'start');
  if (event.streamed && !event.request) say('goes with request only', 'streamed');
  if (event.filter && event.schedule !== undefined) say('goes with stream, core and request only', 'filter');
});

export type NatsEvent = z.infer<typeof natsEventSchema>;
