/** A real nats-server with a configuration of the test's own; it can be stopped and started again on its port. */
import { writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { findNatsServer } from '#infra/local/find-nats-server.ts';
import { freePort } from '#infra/local/free-port.ts';
import { type GuardedChild, spawnGuarded } from '#infra/local/guarded-child.ts';

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

export type ConfiguredNats = { port: number; url: string; start(config: string): Promise<void>; stop(): Promise<void> };

/** Not started yet. */
export const configuredNats = async (folder: string): Promise<ConfiguredNats> => {
  const [port, command] = [await freePort(), await findNatsServer({ log: console.info })];
  const file = join(folder, `nats-${port}.conf`);
  let child: GuardedChild | undefined;
  return {
    port,
    url: `nats://127.0.0.1:${port}`,
    async start(config) {
      await writeFile(file, `listen: "127.0.0.1:${port}"\n${config}\n`);
      const starting = spawnGuarded({ command, args: ['-c', file], logFile: `${file}.log` });
      child = starting;
      const ended = starting.exited.then((code) => Promise.reject(new Error(`nats-server ended with ${code}: see ${file}.log`)));
      const listening = async () => {
        while (!(await accepts(port))) await new Promise((resolve) => setTimeout(resolve, 20));
      };
      await Promise.race([listening(), ended]);
      ended.catch(() => undefined);
    },
    stop: async () => child?.stop(),
  };
};
