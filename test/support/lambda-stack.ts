/** Functions deployed to MiniStack, an emulator of AWS that needs no container: it runs them with the Node on the PATH. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateFunctionCommand, LambdaClient, waitUntilFunctionActiveV2 } from '@aws-sdk/client-lambda';
import { freePort } from '#infra/local/free-port.ts';
import { spawnGuarded } from '#infra/local/guarded-child.ts';
import { exists, install, pip } from '#infra/local/install.ts';
import { CACHE } from '#infra/local/settings.ts';
import { ownEndpoint } from '#shared/own-endpoint.ts';

const INSTALLED = join(CACHE, 'ministack-1.5.33');
const PATIENCE_MS = 20_000;

const ZIP = 'import sys, zipfile; zipfile.ZipFile(sys.argv[1], "w").write(sys.argv[2], "index.mjs")';

const zipped = async (module: string, folder: string): Promise<Buffer> => {
  const [source, zip] = [join(folder, 'index.mjs'), join(folder, 'code.zip')];
  await writeFile(source, stripTypeScriptTypes(await readFile(module, 'utf8')));
  await promisify(execFile)('python3', ['-c', ZIP, zip, source]);
  return readFile(zip);
};

const deploy = async (endpoint: string, names: Record<string, string>, ZipFile: Buffer): Promise<void> => {
  const client = new LambdaClient(ownEndpoint('LAMBDA', { AWS_ENDPOINT_URL: endpoint }));
  for (const [FunctionName, exported] of Object.entries(names)) {
    const runs = { Runtime: 'nodejs22.x', Handler: `index.${exported}`, Role: 'arn:aws:iam::000000000000:role/any' } as const;
    await client.send(new CreateFunctionCommand({ FunctionName, ...runs, Code: { ZipFile } }));
    await waitUntilFunctionActiveV2({ client, maxWaitTime: PATIENCE_MS / 1000, minDelay: 0.1 }, { FunctionName });
  }
  client.destroy();
};

const answering = async (endpoint: string): Promise<void> => {
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, 50)))
    if (await fetch(endpoint).catch(() => undefined)) return;
};

const within = <T>(ms: number, work: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`it took more than ${ms} ms`)), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });

/** `names` says which export of the module each function is. Rejects where the emulator cannot be installed or started in time. */
export const lambdaStack = async (module: string, names: Record<string, string>) => {
  if (!(await exists(INSTALLED))) await within(PATIENCE_MS, install(INSTALLED, 'pip', pip('ministack-requirements.txt', process.env)));
  const folder = await mkdtemp(join(tmpdir(), 'lambda-stack-'));
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const env = { ...process.env, PYTHONPATH: INSTALLED, GATEWAY_PORT: String(port), BIND_HOST: '127.0.0.1', SERVICES: 'lambda' };
  const child = spawnGuarded({ command: 'python3', args: ['-m', 'ministack'], env, logFile: join(folder, 'ministack.log') });
  const ended = child.exited.then((code) => Promise.reject(new Error(`ministack ended with ${code}`)));
  const close = async () => {
    await child.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const starting = async () => {
    await answering(endpoint);
    await deploy(endpoint, names, await zipped(module, folder));
  };
  try {
    await within(PATIENCE_MS, Promise.race([starting(), ended]));
  } catch (error) {
    await close();
    throw error;
  }
  return { endpoint, close };
};
