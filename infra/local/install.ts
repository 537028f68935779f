/** Installs programs into the project's own folder, never system-wide. What is installed appears whole or not at all. */
import { access, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { spawnGuarded } from './guarded-child.ts';

const PATIENCE_MS = 300_000;

export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

type Installer = { command: string; args: string[]; env: NodeJS.ProcessEnv };

/** Rejects with the last line that the installer printed. */
const run = async ({ command, args, env }: Installer, folder: string): Promise<void> => {
  const logFile = join(folder, 'install.log');
  const child = spawnGuarded({ command, args, env, logFile });
  const timer = setTimeout(() => void child.stop(), PATIENCE_MS);
  const code = await child.exited.finally(() => clearTimeout(timer));
  if (code === 0) return;
  if (code === 127) throw new Error(`${command} is not installed`);
  const printed = (await readFile(logFile, 'utf8')).trim();
  throw new Error(printed.slice(printed.lastIndexOf('\n') + 1) || `${command} ended with ${code}`);
};

/** Runs an installer on an empty folder and moves `product`, a path in there, to `path`. */
export const install = async (path: string, product: string, installer: (folder: string) => Installer): Promise<void> => {
  const parent = dirname(path);
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, 'install-'));
  try {
    await run(installer(folder), folder);
    await rename(join(folder, product), path).catch(async (error) => {
      // Somebody else installed the same meanwhile.
      if (!(await exists(path))) throw error;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** pip, with the pinned versions and hashes of a requirements file beside this one. */
export const pip =
  (requirements: string, env: NodeJS.ProcessEnv) =>
  (folder: string): Installer => ({
    command: 'python3',
    args: [
      ...['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', '--retries', '1'],
      ...['--require-hashes', '--only-binary=:all:', '--no-deps', '--target', join(folder, 'pip')],
      ...['--requirement', join(import.meta.dirname, requirements)],
    ],
    env: { ...env, PIP_USER: '0' },
  });
