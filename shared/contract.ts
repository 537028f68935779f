/**
 * What the bridge sends a function and what it answers: AWS's conventions for event sources (`Records`,
 * `batchItemFailures`), extended by what a message bus needs. JSON on the way to a Lambda, plain objects in-process.
 */
import * as z from 'zod';

/**
 * A consumer's ack floor: every record from `from` (where the consumer began; absent: 1) to `sequence` and not younger than
 * `asOf` (ISO time of the server) is settled.
 */
export type Floor = { sequence: number; asOf: string; from?: number };

export type Headers = Record<string, string[]>;

/** On every output without a reply subject: the function that published it. The bridge gives a function its own outputs only where it asks for them. */
export const PUBLISHED_BY = 'X-Published-By';

export type BatchRecord = {
  /** `<stream>@<stream created, epoch ms>:<sequence>:<timestamp, epoch ms>` */
  id: string;
  subject: string;
  data: string;
  encoding: 'utf8' | 'base64';
  headers: Headers;
  /** Where an answer is expected (request/reply). */
  reply?: string;
  sequence: number;
  /** How often the server has delivered it, this time included. */
  deliveries: number;
  /** ISO time at which the server stored or the bridge received it. */
  timestamp: string;
  /** `fold: latest`: this record stands for `count` that arrived from `first` to `last` (ISO times). */
  folded?: { count: number; first: string; last: string };
  /** `fold: latest`: how the records of its key came, this one included, as far as the bridge heard them. */
  rhythm?: Rhythm;
};

/** Intervals between the arrivals of a key: how many were measured, their mean and standard deviation, ms. The latest weigh most. */
export type Rhythm = { intervals: number; mean_ms: number; deviation_ms: number };

export type Batch = {
  eventSource: 'nats:jetstream' | 'nats:core' | 'nats:request';
  /** `<function>.<name of the nats event>`; alarms are `<function>.alarms` */
  binding: string;
  /** `<stream>@<stream created, epoch ms>/<consumer>.<epoch>`; core and request: `<core or request>@<bridge started, epoch ms>/<binding>.<bridge id>` */
  consumer: string;
  floor: Floor;
  /** Floors of the function's other consumers, by identity: what they passed need not be owed any more. */
  floors?: Record<string, Floor>;
  /** ISO time after which the function begins no write. */
  deadline: string;
  /** Alarms only: since when the function has heard all of its core subjects (ISO time). Silence before that says nothing. */
  heardSince?: string;
  /** Do not decide: say what was applied, and bar the rest for ever (protocol, bridge rule 6). */
  settle?: true;
  /** A record that fails holds back the later records of its entity: they fail with the code `held_back`, and lose no attempt. */
  ordered?: true;
  Records: BatchRecord[];
};

export type ErrorBody = { code: string; message: string };

export const answerSchema = z.object({
  batchItemFailures: z.array(
    z.object({
      itemIdentifier: z.string(),
      /** Not before so many milliseconds, a day at most; the binding's backoff when absent. */
      retryAfterMs: z.number().min(0).max(86_400_000).optional(),
      /** Trying again is useless. */
      deadLetter: z.literal(true).optional(),
      reason: z.object({ code: z.string(), message: z.string() }).optional(),
    }),
  ),
  /** Outputs, in order. `cause` is the record that decided them; a record's outputs are answered all or none, always in the same order. */
  publish: z.array(
    z.object({
      cause: z.string(),
      subject: z.string(),
      data: z.string(),
      encoding: z.literal('base64').optional(),
      headers: z.record(z.string(), z.array(z.string())).optional(),
      reply: z.string().optional(),
      /** The epoch of the consumer under which it was decided, where that is not the batch's own. */
      epoch: z.number().int().positive().optional(),
    }),
  ),
  /** The alarm of every entity touched; `key` is `<kind>.<id>`, `at` an ISO time or null for none, `version` the item's. */
  timers: z.array(
    z.object({ key: z.string().regex(/^[^\s.*>]+\.[^\s.*>]+$/), at: z.iso.datetime().nullable(), version: z.number().int() }),
  ),
  /** Records that are barred by an earlier settle. */
  tombstoned: z.array(z.string()).optional(),
  replies: z
    .array(
      z.object({
        itemIdentifier: z.string(),
        data: z.string().optional(),
        error: z.object({ code: z.string(), message: z.string() }).optional(),
        headers: z.record(z.string(), z.array(z.string())).optional(),
      }),
    )
    .optional(),
});

export type Answer = z.infer<typeof answerSchema>;
export type ItemFailure = Answer['batchItemFailures'][number];
export type PublishedOutput = Answer['publish'][number];
export type Timer = Answer['timers'][number];
export type Reply = NonNullable<Answer['replies']>[number];
