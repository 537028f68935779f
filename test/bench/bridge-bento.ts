/** Bento as a contender: built from its Go module where Go is present. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnGuarded } from '#infra/local/guarded-child.ts';
import { exists, install } from '#infra/local/install.ts';
import { CACHE } from '#infra/local/settings.ts';
import { ACK_WAIT_MS, durableOf, LANES, MAX_ACK_PENDING, STREAM, SUBJECT, type Task } from './bridge-contender.ts';
import type { Contender } from './bridge-rate.ts';

const BINARY = join(CACHE, 'bin', 'bento');
const MODULE = 'github.com/warpstreamlabs/bento/cmd/bento@latest';

/** JSON is YAML. A batch goes out as lines: nothing is parsed, and one record alone goes out as it is. */
const config = ({ nats, endpoint, target, batch, name }: Task): string => {
  const batching = { count: batch, period: '10ms', processors: [{ archive: { format: 'lines' } }] };
  return JSON.stringify({
    http: { enabled: false },
    logger: { level: 'WARN' },
    metrics: { none: {} },
    input: {
      nats_jetstream: {
        urls: [`nats://${nats}`],
        stream: STREAM,
        subject: SUBJECT,
        durable: durableOf(name),
        deliver: 'all',
        ack_wait: `${ACK_WAIT_MS}ms`,
        max_ack_pending: MAX_ACK_PENDING,
      },
    },
    output: {
      http_client: {
        url: `${endpoint}/2015-03-31/functions/${target}/invocations`,
        verb: 'POST',
        max_in_flight: LANES,
        ...(batch > 1 && { batching }),
      },
    },
  });
};

const bento: Contender = async (task) => {
  const folder = await mkdtemp(join(tmpdir(), 'mistersmith-bento-'));
  const configFile = join(folder, 'bento.json');
  await writeFile(configFile, config(task));
  const child = spawnGuarded({ command: BINARY, args: ['-c', configFile], logFile: join(folder, 'bento.log') });
  return {
    stop: async () => {
      await child.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

const find = async (): Promise<Contender | undefined> => {
  try {
    const goInstall = (folder: string) => ({
      command: 'go',
      args: ['install', MODULE],
      env: { ...process.env, GOBIN: folder, GOFLAGS: '' },
    });
    if (!(await exists(BINARY))) await install(BINARY, 'bento', goInstall);
    return bento;
  } catch (error) {
    console.error(`Bento is left out: it cannot be built (${(error as Error).message.trim()})`);
    return undefined;
  }
};

let found: ReturnType<typeof find> | undefined;

/** Undefined, and a sentence, where it cannot be built. */
export const findBento = (): ReturnType<typeof find> => {
  found ??= find();
  return found;
};
