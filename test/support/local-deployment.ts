/** `npm run deploy:local` and its kin in a copy of the project, as a person runs them, on ports of their own. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { findNatsServer } from '#infra/local/find-nats-server.ts';
import { freePort } from '#infra/local/free-port.ts';
import { installMinistack } from '#infra/local/ministack.ts';
import { copyOfService, type Service } from './osls.ts';

export type Ended = { code: number | null; output: string };

export type LocalDeployment = {
  service: Service;
  /** The ports that it is told to use. */
  ports: { aws: number; nats: number; http: number };
  deploy(env?: Record<string, string>): Promise<Ended>;
  /** Gets SIGTERM as soon as it has said this. */
  interruptedDeploy(said: string, env?: Record<string, string>): Promise<Ended>;
  remove(): Promise<Ended>;
  /** The project's `nats` command. */
  nats(...args: string[]): Promise<Ended>;
  /** Processes that have to do with its folder. */
  programs(): string[];
  close(): Promise<void>;
};

/** By its command line or its variables, on Linux. */
const namesFolder = (pid: string, folder: string): boolean => {
  try {
    return ['cmdline', 'environ'].some((file) => readFileSync(`/proc/${pid}/${file}`, 'utf8').includes(folder));
  } catch {
    return false;
  }
};

/** What is installed is taken from this project. */
const lendPrograms = async (folder: string): Promise<void> => {
  const [ministack] = await Promise.all([installMinistack(console.info), findNatsServer({ log: console.info })]);
  await mkdir(join(folder, '.mistersmith'), { recursive: true });
  for (const path of [ministack, resolve('.mistersmith/bin')])
    await symlink(path, join(folder, '.mistersmith', path.split('/').at(-1) ?? ''));
};

export const localDeployment = async (): Promise<LocalDeployment> => {
  const service = await copyOfService();
  await lendPrograms(service.folder);
  const ports = { aws: await freePort(), nats: await freePort(), http: await freePort() };
  const own = { MINISTACK_PORT: String(ports.aws), NATS_PORT: String(ports.nats), HTTP_PORT: String(ports.http) };
  const run = async (script: string, args: string[] = [], env: Record<string, string> = {}, interruptAt?: string): Promise<Ended> => {
    const child = spawn(process.execPath, [script, ...args], {
      cwd: service.folder,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...own, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (interruptAt !== undefined && output.includes(interruptAt) && !child.killed) child.kill();
      });
    const code = await new Promise<number | null>((done) => child.once('close', done));
    return { code, output };
  };
  const remove = () => run('infra/local/remove.ts');
  return {
    service,
    ports,
    deploy: (env) => run('infra/local/deploy.ts', [], env),
    interruptedDeploy: (said, env) => run('infra/local/deploy.ts', [], env, said),
    remove,
    nats: (...args) => run('infra/local/nats-cli.ts', args),
    programs: () => readdirSync('/proc').filter((pid) => namesFolder(pid, service.folder)),
    close: async () => {
      await remove();
      await service.remove();
    },
  };
};
