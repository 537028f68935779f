/**
 * Two bridges, the nats-server and the host of the functions are killed with -9 at random under load: every message acts
 * once, in order where its binding is ordered, and every output is there. CHAOS_KILLS and CHAOS_SEED make a run of one's own.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { seeded } from '#test/sim/random.ts';
import { FLAWLESS, judge, startLoad } from '#test/support/chaos-load.ts';
import { scaled } from '#test/support/chaos-scale.ts';
import { type BridgeProgram, type ChaosWorld, setupChaos } from '#test/support/chaos-world.ts';

const KILLS = scaled(50);
const SEED = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 1e6));
/** Of a bridge: its code takes 150 of it. */
const MAX_BYTES = 400e6;

let world: ChaosWorld;
let bridges: BridgeProgram[];
beforeEach(async () => {
  world = await setupChaos();
  bridges = await Promise.all([world.startBridge(), world.startBridge()]);
});
afterEach(() => world.stop());

test(
  `${KILLS} kills of bridges, server and functions`,
  async () => {
    console.info(`CHAOS_SEED=${SEED}`);
    const random = seeded(SEED);
    const victims = { 'bridge A': bridges[0], 'bridge B': bridges[1], 'nats-server': world.servers[0], functions: world.host };
    const killed: Record<string, number> = {};
    let peak = 0;
    const load = startLoad(world);
    for (let kills = 0; kills < KILLS; ) {
      await pause(random.between(200, 1400));
      for (const bridge of bridges) peak = Math.max(peak, bridge.peakBytes());
      const name = random.pick(Object.keys(victims)) as keyof typeof victims;
      if (!victims[name]?.kill()) continue;
      killed[name] = (killed[name] ?? 0) + 1;
      kills++;
    }
    const counts = await load.stop();
    const { state } = await vi.waitFor(() => world.manager.streams.info('SUMS'), { timeout: 30_000 });
    const { flaws, ...outputs } = await judge(world, counts, 90_000);
    for (const bridge of bridges) peak = Math.max(peak, bridge.peakBytes());
    console.info(`${load.published()} messages, of which ${state.messages} acted during the kills`, killed, outputs, { peak });
    expect(flaws).toEqual(FLAWLESS);
    expect(peak).toBeLessThan(MAX_BYTES);
  },
  120_000 + KILLS * 2000,
);
