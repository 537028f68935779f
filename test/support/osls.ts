/** The real osls on a copy of the project, without credentials, a home or a network. */
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';

const COPIED = ['package.json', 'serverless.yml', 'functions', 'shared', 'infra'];
const NO_NETWORK =
  "data:text/javascript,import net from 'node:net'; net.Socket.prototype.connect = () => { throw new Error('a connection was tried') };";

export type Service = {
  folder: string;
  /** Replaces a piece of its serverless.yml, which must be there. */
  change(from: string, to: string): Promise<void>;
  osls(...args: string[]): Promise<{ code: number; output: string }>;
  remove(): Promise<void>;
};

export const copyOfService = async (): Promise<Service> => {
  const root = await mkdtemp(join(tmpdir(), 'mistersmith-osls-'));
  const folder = join(root, 'service');
  await Promise.all(COPIED.map((path) => cp(path, join(folder, path), { recursive: true })));
  await symlink(resolve('node_modules'), join(folder, 'node_modules'));
  const yml = join(folder, 'serverless.yml');
  return {
    folder,
    change: async (from, to) => {
      const before = await readFile(yml, 'utf8');
      if (!before.includes(from)) throw new Error(`serverless.yml has no ${from}`);
      await writeFile(yml, before.replace(from, to));
    },
    osls: async (...args) => {
      const env = {
        PATH: process.env.PATH,
        HOME: join(root, 'home'),
        // Else credentials are looked for on the network.
        AWS_EC2_METADATA_DISABLED: 'true',
        NODE_OPTIONS: `--import ${JSON.stringify(NO_NETWORK)}`,
        // Making the validator of serverless.yml takes seconds, so all share one.
        SLS_SCHEMA_CACHE_BASE_DIR: resolve('.mistersmith'),
      };
      const child = spawn(process.execPath, ['infra/serverless/osls.ts', ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
      const output = Promise.all([text(child.stdout), text(child.stderr)]);
      const code = await new Promise<number>((done) => child.once('exit', (status) => done(status ?? -1)));
      return { code, output: (await output).join('') };
    },
    remove: () => rm(root, { recursive: true, force: true }),
  };
};
