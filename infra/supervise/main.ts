/** `npm run supervise`: agents' processes under supervision, in the foreground, until SIGINT or SIGTERM. */
import * as z from 'zod';
import { watchConnection } from '../bridge/watch-connection.ts';
import { publicUrl, waitForNats } from '../nats/connect.ts';
import { natsAddress, natsConflicts, natsUrl, natsVariables } from '../nats/nats-settings.ts';
import { checkEnvironment, refuse } from '../settings.ts';
import type { Fleet } from './fleet.ts';
import { HELP } from './help.ts';
import { readFleet } from './options.ts';
import { type Supervision, supervise } from './supervise.ts';

const variables = z.object({ ...natsVariables, NATS_URL: natsUrl.default('nats://127.0.0.1:4222') });

/** ms. npm passes Ctrl-C on, though the terminal has told this process already: that is one signal. */
const SAME_SIGNAL_MS = 500;

let supervision: Supervision | undefined;
const signalled = new Promise<undefined>((resolve) => {
  let first: number | undefined;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      first ??= Date.now();
      if (Date.now() - first > SAME_SIGNAL_MS) {
        supervision?.kill();
        process.exit(1);
      }
      resolve(undefined);
    });
});

const line = (text: string): void => void process.stdout.write(`${text}\n`);

const settingsOf = () => {
  const { settings, mistakes } = checkEnvironment(variables, process.env);
  const all = [...mistakes, ...natsConflicts(process.env)];
  return settings && all.length === 0 ? settings : refuse(all);
};

/** Until a signal comes or NATS does not want it any more. Answers the exit code. */
const run = async (fleet: Fleet): Promise<number> => {
  const settings = settingsOf();
  const say = (sentence: string): void => line(`${fleet.id}: ${sentence}`);
  const address = natsAddress(settings, settings.NATS_URL);
  const nc = await Promise.race([waitForNats({ ...address, name: `mistersmith-supervise ${fleet.id}` }, say), signalled]);
  if (!nc) return 0;
  say(`connected to NATS at ${publicUrl(settings.NATS_URL)}`);
  void watchConnection(nc, { debug: say, info: say, warn: say, error: say });
  const print = (agentId: string, text: string): void => line(`${agentId} | ${text}`);
  supervision = await supervise(fleet, { nc, natsUrl: settings.NATS_URL, say, print });
  const closed = nc.closed().then((error) => (error ? error.message : 'it was closed'));
  const why = await Promise.race([closed, signalled]);
  if (why !== undefined) say(`NATS ended the connection (${why}): correct the credentials or permissions if it does so again`);
  say('stopping its agents');
  await supervision.stop();
  if (why === undefined) await nc.close();
  return why === undefined ? 0 : 1;
};

const options = process.argv.slice(2);
const ours = options.includes('--') ? options.slice(0, options.indexOf('--')) : options;
if (ours.includes('--help') || ours.includes('-h')) line(HELP);
else
  try {
    process.exit(await run(readFleet(options)));
  } catch (error) {
    process.stderr.write(`${process.env.LOG_LEVEL === 'debug' ? (error as Error).stack : (error as Error).message}\n`);
    process.exit(1);
  }
