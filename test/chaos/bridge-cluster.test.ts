/** A cluster of three nats-servers, every stream on all of them: leaders are killed and frozen under load. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FLAWLESS, judge, startLoad } from '#test/support/chaos-load.ts';
import { scaled } from '#test/support/chaos-scale.ts';
import { type ChaosWorld, setupChaos } from '#test/support/chaos-world.ts';
import type { Program } from '#test/support/program.ts';

/** Of killing one and of freezing one. */
const ROUNDS = scaled(3);
/** Longer than the other servers wait before they elect another leader. */
const FROZEN_MS = 8000;
const PATIENT = { timeout: 30_000, interval: 100 };

let world: ChaosWorld;
beforeEach(async () => {
  world = await setupChaos({ servers: 3 });
  await Promise.all([world.startBridge(), world.startBridge()]);
}, 120_000);
afterEach(() => world.stop());

/** The server that leads a stream, once one does. */
const leaderOf = async (stream: string): Promise<Program> => {
  const name = await vi.waitFor(async () => {
    const { cluster } = await world.manager.streams.info(stream);
    expect(cluster?.leader).toBeTruthy();
    return cluster?.leader as string;
  }, PATIENT);
  return world.servers[Number(name.slice(1))] as Program;
};

const acted = async (): Promise<number> => vi.waitFor(async () => (await world.manager.streams.info('SUMS')).state.messages, PATIENT);

/** So many more outputs are there than now. */
const moreActed = async (count: number): Promise<void> => {
  const before = await acted();
  await expect.poll(acted, PATIENT).toBeGreaterThan(before + count);
};

test(
  'leaders of the streams are killed and frozen in turns',
  async () => {
    const load = startLoad(world, 100);
    for (let round = 0; round < ROUNDS; round++) {
      await moreActed(200);
      (await leaderOf(round % 2 === 0 ? 'ADDED' : 'SUMS')).kill();
      await moreActed(200);
      const frozen = await leaderOf(round % 2 === 0 ? 'SUMS' : 'KV_BRIDGE_LEASES');
      frozen.kill('SIGSTOP');
      await pause(FROZEN_MS);
      frozen.kill('SIGCONT');
    }
    const counts = await load.stop();
    const { flaws, ...outputs } = await judge(world, counts);
    console.info(`${load.published()} messages, ${ROUNDS} leaders killed and ${ROUNDS} frozen`, outputs);
    expect(flaws).toEqual(FLAWLESS);
  },
  180_000 + ROUNDS * 30_000,
);
