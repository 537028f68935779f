/** A nats-server with JetStream for a laptop: on the loopback interface, stored in a folder of its own. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type GuardedChild, spawnGuarded } from './guarded-child.ts';
import { type Log, withProgress } from './progress.ts';

export type NatsServerOptions = {
  /** Path of nats-server. */
  binary: string;
  /** Configuration, log and messages are kept here. */
  folder: string;
  /** 0: any free one. */
  port: number;
  log: Log;
  /** A descriptor that the server keeps open as long as it lives. */
  holds?: number;
};

export type NatsServer = GuardedChild & { url: string; port: number };

const POLL_MS = 20;

// JSON strings are valid in the server's configuration.
const config = (folder: string, port: number) => `server_name: mistersmith
listen: "127.0.0.1:${port === 0 ? -1 : port}"
ports_file_dir: ${JSON.stringify(portsFolder(folder))}
jetstream { store_dir: ${JSON.stringify(folder)} }
`;

const portsFolder = (folder: string) => join(folder, 'ports');

/** The server writes its address when it accepts connections. */
const readUrl = async (folder: string): Promise<string | undefined> => {
  const [file] = await readdir(portsFolder(folder));
  const text = file ? await readFile(join(portsFolder(folder), file), 'utf8') : '';
  return text.endsWith('}') ? (JSON.parse(text) as { nats: string[] }).nats[0] : undefined;
};

/** The last fatal line of the log, without time and process. */
const why = (text: string): string | undefined =>
  text
    .split('\n')
    .findLast((line) => /\[(FTL|ERR)\]/.test(line) || line.startsWith('nats-server:'))
    ?.replace(/^.*\[(FTL|ERR)\] |^nats-server: /, '');

/** Resolves when it accepts connections. Rejects with an error of one sentence. */
export const startNatsServer = async ({ binary, folder, port, log, holds }: NatsServerOptions): Promise<NatsServer> => {
  await rm(portsFolder(folder), { recursive: true, force: true });
  await mkdir(portsFolder(folder), { recursive: true });
  const configFile = join(folder, 'nats-server.conf');
  const logFile = join(folder, 'nats-server.log');
  await writeFile(configFile, config(folder, port));
  const child = spawnGuarded({ command: binary, args: ['-c', configFile], logFile, holds });

  let ended = false;
  void child.exited.then(() => (ended = true));
  const listening = async (): Promise<string> => {
    for (;;) {
      const url = await readUrl(folder);
      if (url) return url;
      if (ended) break;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    const reason = why(await readFile(logFile, 'utf8')) ?? 'it ended without a word';
    if (reason.includes('address already in use'))
      throw new Error(`port ${port} of 127.0.0.1 is taken: stop what listens there, or set NATS_PORT (0: any free one)`);
    throw new Error(`nats-server did not start: ${reason} (all of it is in ${logFile})`);
  };
  const url = await withProgress(log, `nats-server is reading ${folder}`, listening());
  return { ...child, url, port: Number(new URL(url).port) };
};
