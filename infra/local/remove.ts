/** `npm run remove:local`: takes back what `npm run deploy:local` did. */
import { rm } from 'node:fs/promises';
import { runCommand } from '../nats/command.ts';
import { publicUrl } from '../nats/connect.ts';
import { replaceBridge, stopBackground } from './background.ts';
import { FOLDER, MANIFEST, readDeploymentSettings, readLast, readRunning, workAlone } from './deployment.ts';
import { osls } from './osls.ts';
import { withProgress } from './progress.ts';

const HELP = `npm run remove:local: removes the deployment of npm run deploy:local, with all that it stored.

Streams of a NATS server that is not its own stay.

Settings are environment variables:
  AWS_ENDPOINT_URL  where a deployment is of which .mistersmith/deployment knows nothing any more
  LOG_LEVEL         debug: shows what osls says (info)`;

const ANSWER_MS = 5000;

type Say = (sentence: string) => void;

const checkAnswers = async (endpoint: string): Promise<void> => {
  await fetch(endpoint, { signal: AbortSignal.timeout(ANSWER_MS) }).catch((cause) => {
    throw new Error(`nothing answers at ${endpoint}, where the last deployment is: start it again, or delete ${FOLDER} if it is gone`, {
      cause,
    });
  });
};

/** Answers whether there was one: a deployment may have ended before. */
const removeStack = async (endpoint: string, verbose: boolean): Promise<boolean> => {
  try {
    await osls('remove', { endpoint, verbose });
    return true;
  } catch (error) {
    if ((error as Error).message.endsWith('does not exist')) return false;
    throw error;
  }
};

const run = async ([option]: string[], say: Say): Promise<void> => {
  if (option !== undefined) throw new Error(`there is no option ${option}: see npm run remove:local -- --help`);
  const { AWS_ENDPOINT_URL, LOG_LEVEL } = readDeploymentSettings(process.env);
  await workAlone();
  const running = await readRunning();
  const last = running ?? (await readLast());
  // What was deployed to an emulator of its own ended with that.
  const endpoint = running?.endpoint ?? AWS_ENDPOINT_URL ?? (last?.ownAws ? undefined : last?.endpoint);
  if (running) {
    await rm(MANIFEST, { force: true });
    replaceBridge(running);
  }
  if (endpoint && !running) await checkAnswers(endpoint);
  const removing = endpoint ? removeStack(endpoint, LOG_LEVEL === 'debug') : Promise.resolve(false);
  const removed = await withProgress(say, 'osls is removing the stack', removing);
  if (running) await stopBackground(running);
  await rm(FOLDER, { recursive: true, force: true });
  if (!running && !removed) return say('nothing is deployed');
  say('MisterSmith is removed');
  if (last && !last.ownNats) say(`its streams at ${publicUrl(last.natsUrl)} are still there`);
};

await runCommand(HELP, run);
