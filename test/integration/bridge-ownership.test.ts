import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type NatsConnection, nanos } from '@nats-io/transport-node';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { assign } from '#infra/bridge/ownership/duty-assignment.ts';
import { type Ownership, startOwnership } from '#infra/bridge/ownership/ownership.ts';
import { applyStreams } from '#infra/nats/apply.ts';
import { streams } from '#infra/nats/streams.ts';
import { type Cable, layCable } from '#test/support/cable.ts';
import { startNats, type TestServer } from './bridge-nats.ts';

const DUTIES = ['alerts', 'failures', 'gather', 'tasks'];
/** A tenth of the product's, so that a dead bridge is replaced within 1.5 s here where the product takes 15 s. */
const LEASE_MS = 1000;
const REPLACED = { timeout: 1.5 * LEASE_MS, interval: 10 };
/** Far less than a lease, so nothing can have expired. */
const AT_ONCE = { timeout: 0.4 * LEASE_MS, interval: 10 };

let server: TestServer;
/** Who does a duty, as the duties themselves know it; more than one is what must never be. */
let doing: Map<string, string[]>;
let told: string[];
let mostAtOnce: number;

beforeEach(async () => {
  server = await startNats();
  const bucket = streams({ replicas: 1, bytes: 1e9 }).filter(({ name }) => name === 'KV_BRIDGE_LEASES');
  const short = bucket.map((spec) => ({ ...spec, max_age: nanos(LEASE_MS), duplicate_window: nanos(LEASE_MS) }));
  await applyStreams(server.manager, short, () => {});
  doing = new Map(DUTIES.map((name) => [name, []]));
  told = [];
  mostAtOnce = 0;
});
afterEach(() => server.stop());

const port = () => Number(server.nc.getServer().split(':').at(-1));

const does = (name: string, bridge: string) => {
  doing.get(name)?.push(bridge);
  mostAtOnce = Math.max(mostAtOnce, doing.get(name)?.length ?? 0);
};
const stops = (name: string, bridge: string) =>
  doing.set(
    name,
    (doing.get(name) ?? []).filter((other) => other !== bridge),
  );

type TestBridge = Ownership & { nc: NatsConnection };

type Options = { port?: number; duties?: string[]; take?: (name: string, owned: () => boolean) => void };

/** `take` runs before a duty counts as taken. */
const bridge = async (id: string, options: Options = {}): Promise<TestBridge> => {
  const nc = await connect({ port: options.port ?? port(), maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  onTestFinished(() => nc.close());
  const duties = (options.duties ?? DUTIES).map((name) => ({
    name,
    take: async (owned: () => boolean) => {
      options.take?.(name, owned);
      does(name, id);
    },
    handOver: async () => {
      await pause(30);
      stops(name, id);
    },
  }));
  const ownership = await startOwnership({ nc, bridgeId: id, duties, log: (sentence) => told.push(`${id}: ${sentence}`) });
  return { ...ownership, nc };
};

/** In a process of its own. `lines` is what it says. */
const processOf = async (id: string): Promise<{ child: ChildProcess; lines: () => string[] }> => {
  const child = spawn(process.execPath, ['test/integration/bridge-owner.ts', String(port()), id, ...DUTIES], { stdio: 'pipe' });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  const lines = () => output.split('\n').filter(Boolean);
  await expect.poll(lines, { timeout: 10_000 }).toContain('ready');
  return { child, lines };
};

const cable = async (): Promise<Cable> => {
  const laid = await layCable(port());
  onTestFinished(() => laid.cut());
  return laid;
};

const lost = (id: string, duty: string, to: string) =>
  `${id}: the lease of ${duty} is with ${to}: it had expired here, so what is in flight is finished and the rest given back`;

const shareOf = (id: string, ...bridges: string[]) => {
  const owners = assign(DUTIES, bridges);
  return DUTIES.filter((name) => owners.get(name) === id);
};

describe('scale: one owner a function', () => {
  it('a lone bridge has taken everything when it is ready', async () => {
    const alone = await bridge('a');
    expect([alone.mine(), alone.bridges(), alone.owners()]).toEqual([DUTIES, ['a'], new Map(DUTIES.map((name) => [name, 'a']))]);
  });

  it('two bridges share evenly, and a duty is handed over before the other takes it', async () => {
    const a = await bridge('a');
    const b = await bridge('b');
    await expect.poll(() => [a.mine(), b.mine()], AT_ONCE).toEqual([shareOf('a', 'a', 'b'), shareOf('b', 'a', 'b')]);
    expect([a.mine().length, b.mine().length, mostAtOnce]).toEqual([2, 2, 1]);
  });

  it('bridges come and go all at once, and no duty ever has two owners or stays without one', async () => {
    const a = await bridge('a');
    const [b, c] = await Promise.all([bridge('b'), bridge('c')]);
    const [d] = await Promise.all([bridge('d'), a.leave(), b.leave()]);
    await expect.poll(() => [...doing.values()].flat().sort()).toEqual(['c', 'c', 'd', 'd']);
    expect([c.mine(), d.mine(), mostAtOnce]).toEqual([shareOf('c', 'c', 'd'), shareOf('d', 'c', 'd'), 1]);
  });

  it('what one of them keeps is not interrupted by the others', async () => {
    const taken: string[] = [];
    await bridge('a', { take: (name) => taken.push(name) });
    const b = await bridge('b');
    await expect.poll(() => b.mine().length).toBe(2);
    await b.leave();
    await expect.poll(() => doing.get(shareOf('b', 'a', 'b')[0] as string)).toEqual(['a']);
    expect(taken.filter((name) => shareOf('a', 'a', 'b').includes(name))).toHaveLength(2);
  });

  it('a drained bridge is replaced at once', async () => {
    const a = await bridge('a');
    const b = await bridge('b');
    await expect.poll(() => b.mine()).toHaveLength(2);
    await b.leave();
    await expect.poll(() => a.mine(), AT_ONCE).toEqual(DUTIES);
    expect([b.mine(), a.bridges()]).toEqual([[], ['a']]);
  });

  it('a bridge killed with -9 is replaced within one and a half leases', async () => {
    const { child } = await processOf('dead');
    const a = await bridge('a');
    await expect.poll(() => a.mine()).toEqual(shareOf('a', 'a', 'dead'));
    child.kill('SIGKILL');
    await expect.poll(() => a.mine(), REPLACED).toEqual(DUTIES);
  });

  it('a frozen bridge is replaced too, and gives up what is no longer its own when it goes on', async () => {
    const { child, lines } = await processOf('frozen');
    const a = await bridge('a');
    await expect.poll(() => a.mine()).toEqual(shareOf('a', 'a', 'frozen'));
    const before = lines().length;
    child.kill('SIGSTOP');
    await expect.poll(() => a.mine(), REPLACED).toEqual(DUTIES);
    child.kill('SIGCONT');
    const back = shareOf('frozen', 'a', 'frozen').flatMap((name) => [`hands over ${name}`, `takes ${name}`]);
    await expect.poll(() => lines().slice(before).sort()).toEqual(back.sort());
    await expect.poll(() => a.mine()).toEqual(shareOf('a', 'a', 'frozen'));
  });

  it('one that starts again under its old name takes its own leases at once', async () => {
    const before = await bridge('a');
    await before.nc.close();
    expect((await bridge('a')).mine()).toEqual(DUTIES);
  });

  it('a bridge that was cut off from NATS is replaced, and gives up what is no longer its own when it is back', async () => {
    const toB = await cable();
    const a = await bridge('a');
    const b = await bridge('b', { port: toB.port });
    await expect.poll(() => [a.mine().length, b.mine().length]).toEqual([2, 2]);
    await toB.cut();
    await expect.poll(() => a.mine(), REPLACED).toEqual(DUTIES);
    await toB.mend();
    await expect.poll(() => told).toContain(lost('b', shareOf('b', 'a', 'b')[0] as string, 'a'));
    await expect.poll(() => [a.mine(), b.mine()]).toEqual([shareOf('a', 'a', 'b'), shareOf('b', 'a', 'b')]);
  });

  it('who is cut off is not sure of what is its own before another bridge has it', async () => {
    const toA = await cable();
    const sure = new Map<string, () => boolean>();
    const ofA = () => DUTIES.map((name) => sure.get(name)?.());
    const a = await bridge('a', { port: toA.port, take: (name, owned) => sure.set(name, owned) });
    const writes = async () => (await server.manager.streams.info('KV_BRIDGE_LEASES')).state.last_seq;
    const before = await writes();
    // What they were taken with has expired by then: four times as long as from one time to the next.
    await expect.poll(writes, { timeout: 5 * LEASE_MS }).toBeGreaterThan(before + 5 * (DUTIES.length + 1));
    expect(ofA()).toEqual([true, true, true, true]);
    const wasSure: unknown[] = [];
    await toA.cut();
    const b = await bridge('b', { take: (name) => wasSure.push(sure.get(name)?.()) });
    await expect.poll(() => b.mine(), { timeout: 5 * LEASE_MS }).toEqual(DUTIES);
    expect([a.mine(), wasSure]).toEqual([DUTIES, [false, false, false, false]]);
  });

  it('an outage of NATS that outlasts the leases interrupts nothing: each takes up again what was its own', async () => {
    const toBoth = await cable();
    const [a, b] = await Promise.all([bridge('a', toBoth), bridge('b', toBoth)]);
    await expect.poll(() => [a.mine().length, b.mine().length]).toEqual([2, 2]);
    told = [];
    await toBoth.cut();
    await expect.poll(async () => (await server.manager.streams.info('KV_BRIDGE_LEASES')).state.messages, { timeout: 5000 }).toBe(0);
    await toBoth.mend();
    await expect.poll(() => told.filter((sentence) => sentence.endsWith('again')).length, { timeout: 5000 }).toBeGreaterThanOrEqual(2);
    await expect
      .poll(() => [a, b].map((one) => [...one.owners().values()].sort()))
      .toEqual([
        ['a', 'a', 'b', 'b'],
        ['a', 'a', 'b', 'b'],
      ]);
    const lost = told.filter((sentence) => sentence.includes('the lease of '));
    expect([a.mine(), b.mine(), mostAtOnce, lost]).toEqual([shareOf('a', 'a', 'b'), shareOf('b', 'a', 'b'), 1, []]);
  });

  it('a crash of NATS interrupts nothing', async () => {
    const taken: string[] = [];
    const a = await bridge('a', { take: (name) => taken.push(name) });
    await server.crash();
    const b = await bridge('b');
    await expect.poll(() => b.mine()).toEqual(shareOf('b', 'a', 'b'));
    expect([a.mine(), taken, mostAtOnce]).toEqual([shareOf('a', 'a', 'b'), DUTIES, 1]);
  });

  it('a duty that one bridge cannot take is taken by another, and stays there', async () => {
    const refuse = (name: string) => {
      if (name === 'tasks') throw new Error('no such stream');
    };
    const a = await bridge('a', { take: refuse });
    const sentence = 'a: tasks could not be taken: no such stream; any bridge may try, this one again in 1 s';
    expect([a.mine(), told]).toEqual([DUTIES.slice(0, 3), [sentence]]);
    const b = await bridge('b');
    await expect.poll(() => b.mine()).toContain('tasks');
    expect(told).toEqual([sentence]);
  });

  it('a duty that could not be taken is tried again', async () => {
    let tries = 0;
    const refuse = () => {
      tries++;
      if (tries === 1) throw new Error('no such stream');
    };
    const a = await bridge('a', { duties: ['tasks'], take: refuse });
    expect(a.mine()).toEqual([]);
    await expect.poll(() => a.mine(), { timeout: 3000 }).toEqual(['tasks']);
  });

  it('while a new version is rolled out, each bridge does what only it knows', async () => {
    const before = await bridge('old', { duties: ['tasks', 'gone'] });
    const after = await bridge('new', { duties: ['tasks', 'added'] });
    await expect.poll(() => [...before.mine(), ...after.mine()].sort()).toEqual(['added', 'gone', 'tasks']);
    expect([before.mine(), after.mine()]).toEqual([expect.arrayContaining(['gone']), expect.arrayContaining(['added'])]);
  });

  it('a bridge leaves without NATS too', async () => {
    const a = await bridge('a');
    await a.nc.close();
    await a.leave();
    expect([a.mine(), [...doing.values()].flat()]).toEqual([[], []]);
  });

  it('a missing bucket is told in a sentence', async () => {
    await server.manager.streams.delete('KV_BRIDGE_LEASES');
    await expect(bridge('a')).rejects.toThrow(
      'the bucket BRIDGE_LEASES does not exist, so no bridge can know what is its own; create the streams first',
    );
  });
});
