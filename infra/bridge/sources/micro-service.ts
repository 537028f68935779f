/**
 * A function that answers requests, as a NATS micro service (ADR-32): `nats micro ls` lists it, `nats micro stats` says how it
 * fares. Every bridge is an instance of its own.
 */
import { type NatsConnection, nuid } from '@nats-io/transport-node';
import { iso } from '#shared/iso.ts';

/** One subject of a binding. Its counts are kept by the source. */
export type Endpoint = {
  name: string;
  subject: string;
  queue: string;
  requests: number;
  errors: number;
  /** `<code>:<message>`; empty before the first. */
  lastError: string;
  /** ms from the arrival of a request until its answer, of all of them. */
  milliseconds: number;
};

export type MicroServiceOptions = {
  nc: NatsConnection;
  /** Of letters, digits, `-` and `_`. */
  name: string;
  /** A semantic version. */
  version: string;
  description: string;
  endpoints: readonly Endpoint[];
  /** Epoch ms. */
  started: number;
};

const WILDCARDS: Record<string, string> = { '*': 'any', '>': 'all' };

/** `find` and `agents.discovery.*` make `find_agents-discovery-any`: the names of endpoints know no dots and wildcards. */
export const newEndpoint = (binding: string, subject: string, queue: string): Endpoint => {
  const event = binding.slice(binding.indexOf('.') + 1);
  const tokens = subject.split('.').map((token) => (WILDCARDS[token] ?? token).replace(/[^A-Za-z0-9_-]/g, '-'));
  return { name: `${event}_${tokens.join('-')}`, subject, queue, requests: 0, errors: 0, lastError: '', milliseconds: 0 };
};

const nanoseconds = (milliseconds: number): number => Math.round(milliseconds * 1e6);

const statsOf = ({ requests, errors, lastError, milliseconds }: Endpoint) => ({
  num_requests: requests,
  num_errors: errors,
  last_error: lastError,
  processing_time: nanoseconds(milliseconds),
  average_processing_time: requests === 0 ? 0 : nanoseconds(milliseconds / requests),
});

/** Answers discovery from now on, until the function that it returns is called. */
export const microService = ({ nc, name, version, description, endpoints, started }: MicroServiceOptions): (() => void) => {
  const service = { name, id: nuid.next(), version, metadata: {} };
  const described = endpoints.map(({ name, subject, queue }) => ({ name, subject, queue_group: queue, metadata: {} }));
  const answers: Record<string, () => object> = {
    PING: () => ({ type: 'io.nats.micro.v1.ping_response', ...service }),
    INFO: () => ({ type: 'io.nats.micro.v1.info_response', ...service, description, endpoints: described }),
    STATS: () => ({
      type: 'io.nats.micro.v1.stats_response',
      ...service,
      started: iso(started),
      endpoints: endpoints.map((endpoint, n) => ({ ...described[n], ...statsOf(endpoint) })),
    }),
  };
  const subscriptions = Object.entries(answers).flatMap(([verb, answer]) =>
    [`$SRV.${verb}`, `$SRV.${verb}.${name}`, `$SRV.${verb}.${name}.${service.id}`].map((subject) =>
      nc.subscribe(subject, {
        callback: (error, msg) => {
          try {
            if (!error) msg.respond(JSON.stringify(answer()));
          } catch {
            // The connection is going away: what throws in here would end the client's reader.
          }
        },
      }),
    ),
  );
  return () => {
    for (const subscription of subscriptions) subscription.unsubscribe();
  };
};
