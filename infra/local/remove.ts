/** `npm run remove:local`: takes back what `npm run deploy:local` did. */
import { rm } from 'node:fs/promises';
import { runCommand } from '../nats/command.ts';
import { publicUrl } from '../nats/connect.ts';
import { replaceBridge, stopBackground } from './background.ts';
import { FOLDER, MANIFEST, readDeploymentSettings, readRunning, workAlone } from './deployment.ts';
import { osls } from './osls.ts';
import { withProgress } from './progress.ts';

const HELP = `npm run remove:local: removes the deployment of npm run deploy:local, with all that it stored.

Streams of a NATS server that is not its own stay.

Settings are environment variables:
  AWS_ENDPOINT_URL  where a deployment is whose programs have ended, such as after a restart of this machine
  LOG_LEVEL         debug: shows what osls says (info)`;

type Say = (sentence: string) => void;

const run = async ([option]: string[], say: Say): Promise<void> => {
  if (option !== undefined) throw new Error(`there is no option ${option}: see npm run remove:local -- --help`);
  const { AWS_ENDPOINT_URL, LOG_LEVEL } = readDeploymentSettings(process.env);
  await workAlone();
  const running = await readRunning();
  const endpoint = running?.endpoint ?? AWS_ENDPOINT_URL;
  if (running) {
    await rm(MANIFEST, { force: true });
    replaceBridge(running);
  }
  if (endpoint) await withProgress(say, 'osls is removing the stack', osls('remove', { endpoint, verbose: LOG_LEVEL === 'debug' }));
  if (running) await stopBackground(running);
  await rm(FOLDER, { recursive: true, force: true });
  if (!endpoint) return say('nothing is deployed');
  say('MisterSmith is removed');
  if (running && !running.ownNats) say(`its streams at ${publicUrl(running.natsUrl)} are still there`);
};

await runCommand(HELP, run);
