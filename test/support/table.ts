/** A table of its own for a test: dynoxide in memory, on a free port of this machine. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { freePort } from '#infra/local/free-port.ts';
import type { Store } from '#shared/entity/store.ts';
import { tableClient } from '#shared/table/client.ts';
import { ensureTable } from '#shared/table/definition.ts';
import { dynamodbStore } from '#shared/table/dynamodb-store.ts';

const START_MS = 10_000;
const PORTS_TRIED = 5;

export type TestTable = { endpoint: string; tableName: string; client: DynamoDBClient; store: Store; stop(): Promise<void> };

export const setupTable = async (tableName = 'mistersmith-test'): Promise<TestTable> => {
  const { endpoint, stop: stopServer } = await startServer();
  const client = clientOf(endpoint);
  const stop = async () => {
    client.destroy();
    await stopServer();
  };
  try {
    await ensureTable(client, tableName);
  } catch (error) {
    await stop();
    throw error;
  }
  return { endpoint, tableName, client, store: dynamodbStore({ client, tableName }), stop };
};

/** A client as a function makes it, of an environment that holds nothing but the endpoint. */
export const clientOf = (endpoint: string): DynamoDBClient => tableClient({ AWS_ENDPOINT_URL_DYNAMODB: endpoint });

const startServer = async (): Promise<{ endpoint: string; stop(): Promise<void> }> => {
  const program = fileURLToPath(new URL('dynoxide', import.meta.resolve('@dynoxide/linux-x64/package.json')));
  for (let tries = 0; tries < PORTS_TRIED; tries++) {
    const port = await freePort();
    const server = spawn(program, ['--port', String(port)], { stdio: 'ignore' });
    const kill = () => void server.kill('SIGKILL');
    process.once('exit', kill);
    const stop = async () => {
      process.off('exit', kill);
      if (!hasEnded(server) && server.kill('SIGKILL')) await once(server, 'exit');
    };
    const endpoint = `http://127.0.0.1:${port}`;
    if (await answers(endpoint, server)) return { endpoint, stop };
    await stop();
  }
  throw new Error(`dynoxide did not start on any of ${PORTS_TRIED} ports: run ${program} to see why`);
};

const hasEnded = (server: ChildProcess): boolean => server.exitCode !== null || server.signalCode !== null;

/** Whether the server answers before it ends (its port was taken) and before its time is up. */
const answers = async (endpoint: string, server: ChildProcess): Promise<boolean> => {
  for (const until = Date.now() + START_MS; Date.now() < until && !hasEnded(server); await pause(10)) {
    const answer = await fetch(endpoint).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer) return !hasEnded(server);
  }
  return false;
};
