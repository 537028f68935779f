/** `npm run -s nats`: publish, subscribe, ask and take work, for a machine that has no other NATS client. */
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { JetStreamApiCodes, JetStreamApiError, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers as createHeaders, type Msg, type MsgHdrs, type NatsConnection, RequestError, TimeoutError } from '@nats-io/transport-node';
import { checkPublishable } from '#shared/subjects.ts';
import { isForbidden } from '../nats/apply.ts';
import { connectTo } from '../nats/connect.ts';
import { NATS_HELP } from '../nats/nats-settings.ts';
import { localAddress } from './local-address.ts';
import { readSettings } from './settings.ts';
import { takeWork } from './take-work.ts';

const HELP = `npm run -s nats -- pub <subject> [body] [-H name:value]...
npm run -s nats -- sub <filter> [--count n]
npm run -s nats -- req <subject> [body] [-H name:value]... [--timeout ms]
npm run -s nats -- work <domain> [--count n]      takes work from the domain's queues, prints it, and says that it is done

A body of - is read from standard input. NATS_URL or NATS_PORT say where the server is, and in the environment too:
${NATS_HELP}`;

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const OPTIONS = {
  header: { type: 'string', short: 'H', multiple: true },
  count: { type: 'string' },
  timeout: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;
const TIMEOUT_MS = 5000;

const positive = (name: string, value: string): number => {
  if (!/^[1-9]\d*$/.test(value)) throw new Error(`--${name} ${value} is not a number above 0`);
  return Number(value);
};

const toHeaders = (lines: readonly string[]): MsgHdrs => {
  const headers = createHeaders();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon < 1) throw new Error(`-H ${line} is not name:value`);
    headers.append(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  return headers;
};

/** One line, whatever the body is. */
const line = (message: Msg): string => {
  const body = message.string();
  return body.includes('\n') ? JSON.stringify(body) : body;
};

const NOT_THERE: number[] = [JetStreamApiCodes.StreamNotFound, JetStreamApiCodes.JetStreamNotEnabledForAccount];

/** Undefined where the user may not ask. */
const isStored = async (nc: NatsConnection, subject: string): Promise<boolean | undefined> => {
  const manager = await jetstreamManager(nc, { checkAPI: false });
  try {
    await manager.streams.find(subject);
    return true;
  } catch (error) {
    if (isForbidden(error as Error)) return undefined;
    const { cause } = error as Error;
    if (cause instanceof RequestError && cause.isNoResponders()) return false;
    if (error instanceof JetStreamApiError && NOT_THERE.includes(error.code)) return false;
    throw error;
  }
};

const publish = async (nc: NatsConnection, subject: string, body: string, headers: MsgHdrs): Promise<void> => {
  const stored = await isStored(nc, subject);
  if (stored) {
    const { stream, seq, duplicate } = await jetstream(nc).publish(subject, body, { headers });
    say(duplicate ? `already in ${stream} as ${seq}: it has the same Nats-Msg-Id` : `stored in ${stream} as ${seq}`);
    return;
  }
  nc.publish(subject, body, { headers });
  await nc.flush();
  say(
    stored === undefined
      ? `sent on ${subject}; whether a stream stores it this user may not ask`
      : `sent to whoever listens on ${subject}: no stream stores it`,
  );
};

const subscribe = async (nc: NatsConnection, filter: string, count: number | undefined): Promise<void> => {
  const subscription = nc.subscribe(filter, count === undefined ? {} : { max: count });
  process.once('SIGINT', () => subscription.unsubscribe());
  await nc.flush();
  process.stderr.write(`listening on ${filter}\n`);
  for await (const message of subscription) say(`${message.subject} ${line(message)}`);
};

const work = async (nc: NatsConnection, domain: string, count = Number.POSITIVE_INFINITY): Promise<void> => {
  process.stderr.write(`taking work of ${domain}\n`);
  await takeWork(nc, domain, count, (message) => say(`${message.subject} ${line(message)}`));
};

const request = async (nc: NatsConnection, subject: string, body: string, headers: MsgHdrs, timeout: number): Promise<void> => {
  const reply = await nc.request(subject, body, { headers, timeout }).catch((error: Error) => {
    if (error instanceof RequestError && error.isNoResponders()) throw new Error(`nobody answers requests on ${subject}`);
    if (error instanceof TimeoutError) throw new Error(`no answer on ${subject} within ${timeout} ms`);
    throw error;
  });
  const failure = reply.headers?.get('Nats-Service-Error');
  if (failure) throw new Error(`${subject} answered with an error: ${failure} (${reply.headers?.get('Nats-Service-Error-Code')})`);
  say(line(reply));
};

const run = async (): Promise<void> => {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const [command, subject, given = '', ...rest] = positionals;
  if (values.help) return say(HELP);
  if (!command) throw new Error('say pub, sub, req or work: npm run -s nats -- --help shows how');
  if (!['pub', 'sub', 'req', 'work'].includes(command)) throw new Error(`${command} is not pub, sub, req or work: see --help`);
  if (!subject) throw new Error(`${command} needs a ${command === 'work' ? 'domain' : 'subject'}: see --help`);
  if (rest.length > 0) throw new Error(`there are ${rest.length} arguments too many: quote a body with spaces in it`);
  if (command !== 'sub') checkPublishable(subject);
  const count = values.count === undefined ? undefined : positive('count', values.count);
  const timeout = values.timeout === undefined ? TIMEOUT_MS : positive('timeout', values.timeout);
  const headers = toHeaders(values.header ?? []);
  const body = given === '-' ? await text(process.stdin) : given;

  const nc = await connectTo({ ...localAddress(readSettings(process.env)), name: 'mistersmith-cli' });
  try {
    if (command === 'pub') await publish(nc, subject, body, headers);
    else if (command === 'sub') await subscribe(nc, subject, count);
    else if (command === 'work') await work(nc, subject, count);
    else await request(nc, subject, body, headers, timeout);
  } finally {
    await nc.close();
  }
};

run().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
