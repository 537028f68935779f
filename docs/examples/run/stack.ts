/** The stack that an example plays on: the one that runs here, or one of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { localAddress } from '#infra/local/local-address.ts';
import { readSettings } from '#infra/local/settings.ts';
import { startStack } from '#infra/local/stack.ts';
import { ConnectError, connectTo, publicUrl } from '#infra/nats/connect.ts';

const NAME = 'mistersmith-example';
const ANSWER_MS = 3000;

export type Stage = { nc: NatsConnection; stop(): Promise<void> };

/** Rejects with a sentence where NATS_URL names a server without the functions. `log` is told of a stack that is started. */
export const findStack = async (environment: NodeJS.ProcessEnv, log: (line: string) => void): Promise<Stage> => {
  const settings = readSettings(environment);
  const address = settings.NATS_PORT === 0 && !settings.NATS_URL ? undefined : localAddress(settings);
  const nc = address && (await connectTo({ ...address, name: NAME }).catch((error) => leave(error, settings.NATS_URL)));
  if (nc && (await answers(nc))) return { nc, stop: async () => {} };
  await nc?.close();
  if (address && settings.NATS_URL)
    throw new Error(`no functions answer at ${publicUrl(address.url)}: start them there, or unset NATS_URL to have a stack of its own`);
  return ownStack(log);
};

/** Where nobody named a server, none has to be there. */
const leave = (error: Error, named: string | undefined): undefined => {
  if (named || !(error instanceof ConnectError)) throw error;
};

const answers = async (nc: NatsConnection): Promise<boolean> =>
  nc.request('control.bridge.list', '', { timeout: ANSWER_MS }).then(
    () => true,
    () => false,
  );

const ownStack = async (log: (line: string) => void): Promise<Stage> => {
  log('no stack runs here: one is started for this example alone (npm start is one that stays)');
  await using parts = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'mistersmith-example-'));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  // Whatever table the environment names is somebody else's.
  for (const name of ['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_DYNAMODB', 'TABLE_NAME']) delete process.env[name];
  const settings = readSettings({ NATS_PORT: '0', HTTP_PORT: '0', DATA_DIR: folder, LOG_LEVEL: 'error' });
  const stack = await startStack(settings, () => {});
  parts.defer(() => stack.stop());
  const nc = await connectTo({ url: stack.natsUrl, name: NAME });
  const running = parts.move();
  return { nc, stop: () => running.disposeAsync() };
};
