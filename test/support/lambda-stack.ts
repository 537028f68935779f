/** Functions of a module on MiniStack, without a deployment. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateFunctionCommand, LambdaClient, waitUntilFunctionActiveV2 } from '@aws-sdk/client-lambda';
import { startMinistack } from '#infra/local/ministack.ts';
import { ownEndpoint } from '#shared/own-endpoint.ts';

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

const within = <T>(ms: number, work: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`it took more than ${ms} ms`)), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });

/** `names` says which export of the module each function is. Rejects where the emulator cannot be installed or started in time. */
export const lambdaStack = async (module: string, names: Record<string, string>) => {
  const folder = await mkdtemp(join(tmpdir(), 'lambda-stack-'));
  const starting = startMinistack({ port: 0, services: ['lambda'], folder, log: console.info });
  const close = async () => {
    await (await starting).stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { endpoint } = await within(PATIENCE_MS, starting);
    await within(PATIENCE_MS, deploy(endpoint, names, await zipped(module, folder)));
    return { endpoint, close };
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
};
