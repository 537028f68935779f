/** What the bridge knows of the functions: names, bindings and limits, as `serverless.yml` declares them. */
import type { Pattern } from '#shared/event-pattern/event-pattern.ts';

export type SourceSpec =
  | { kind: 'jetstream'; stream: string; subjects: string[] }
  | { kind: 'core'; subjects: string[]; fold?: 'latest' }
  | { kind: 'request'; subjects: string[] };

/** How a message finds its lane: tokens of the subject (1-based), joined with `-`; a field of the decoded body; or the record's own id. */
export type GroupBy = { tokens: number[] } | { field: string } | undefined;

/** Where a new consumer begins; the time is an ISO time. */
export type Start = 'all' | 'new' | { time: string } | { sequence: number };

export type Binding = {
  /** `<function>.<event name>` */
  name: string;
  function: string;
  source: SourceSpec;
  batchSize: number;
  /** ms */
  batchWindow: number;
  groupBy: GroupBy;
  /** A message that is tried again holds back the later ones of its key (rule 9). */
  ordered?: true;
  /** Streams only; `all` where absent. */
  start?: Start;
  /** Requests only: the function streams its answer. */
  streamed?: true;
  /** Bindings of a function with the same one have an owner and lanes of their own. */
  partition?: string;
  /** An event pattern; what does not match is settled without an invocation. */
  filter?: Pattern;
  retry: { attempts: number /** ms, the last repeats */; backoff: number[] /** ms */; maxAge: number };
  /** The function's own alarms: they are never dead-lettered. */
  alarms?: true;
};

export type FunctionEntry = {
  name: string;
  description?: string;
  /** Path of the module and the name of its export; not in a compiled manifest. */
  handler?: { module: string; export: string };
  /** What it is called at AWS: a name, `<name>:<alias or version>` or an ARN. */
  target?: string;
  /** ms */
  timeout: number;
  /** Lanes, so invocations in flight. */
  concurrency: number;
  environment: Record<string, string>;
  /** Subject filters of what it may publish. */
  publishes: string[];
  /** Receives what it published itself, too. */
  own: boolean;
  bindings: Binding[];
  /** Alarms of the entity `<name>#main` at a fixed rate, ms. */
  schedules?: { name: string; every: number }[];
};

export type Manifest = {
  /** The service's name in serverless.yml: what is deployed is called `<service>-<stage>-<function>`. */
  service?: string;
  functions: FunctionEntry[];
};
