/**
 * The clocks of two bridges jump by hours to and fro under load, each in its own rhythm, while the functions are killed now
 * and then. As at AWS, what is signed at a wrong time is refused.
 */

import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FLAWLESS, judge, startLoad } from '#test/support/chaos-load.ts';
import { scaled } from '#test/support/chaos-scale.ts';
import { type ChaosWorld, setupChaos } from '#test/support/chaos-world.ts';

const SECONDS = scaled(15);

let world: ChaosWorld;
const jumping = (everyMs: number, hours: string) => ({
  NODE_OPTIONS: `--import ${resolve('test/support/jumping-clock.ts')}`,
  CLOCK_EVERY_MS: String(everyMs),
  CLOCK_HOURS: hours,
});
beforeEach(async () => {
  world = await setupChaos();
  await Promise.all([world.startBridge(jumping(1700, '0,3,0,-3')), world.startBridge(jumping(2300, '0,-5,5'))]);
});
afterEach(() => world.stop());

test(
  'clocks that jump by hours',
  async () => {
    const load = startLoad(world);
    for (let second = 0; second < SECONDS; second += 3) {
      await pause(3000);
      world.host.kill();
    }
    const counts = await load.stop();
    const { flaws, ...outputs } = await judge(world, counts);
    console.info(`${load.published()} messages in ${SECONDS} s`, outputs);
    expect(flaws).toEqual(FLAWLESS);
  },
  120_000 + SECONDS * 2000,
);
