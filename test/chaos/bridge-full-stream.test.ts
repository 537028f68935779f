/** The stream that outputs go to is full: outputs are held back and their inputs with them, and go out once when there is room. */
import { DiscardPolicy } from '@nats-io/jetstream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FLAWLESS, judge, startLoad } from '#test/support/chaos-load.ts';
import { type BridgeProgram, type ChaosWorld, setupChaos } from '#test/support/chaos-world.ts';

const PATIENT = { timeout: 30_000, interval: 100 };

let world: ChaosWorld;
let bridge: BridgeProgram;
beforeEach(async () => {
  world = await setupChaos({ sums: { discard: DiscardPolicy.New, max_bytes: 100_000 } });
  bridge = await world.startBridge();
});
afterEach(() => world.stop());

test('a full stream holds the inputs back until there is room', async () => {
  const load = startLoad(world);
  await vi.waitFor(async () => expect(await bridge.readyz()).toMatch(/^not ready: .* cannot publish: sums\..*maximum bytes/), PATIENT);
  const full = load.published();
  await expect.poll(load.published, PATIENT).toBeGreaterThan(full + 1000);
  const { state } = await world.manager.streams.info('SUMS');
  expect(state.messages).toBeLessThan(full);

  await world.manager.streams.update('SUMS', { max_bytes: -1 });
  await expect.poll(bridge.readyz, PATIENT).toBe('ready\n');
  const counts = await load.stop();
  const { flaws, ...outputs } = await judge(world, counts);
  console.info(`${load.published()} messages, of which ${state.messages} had gone out when it was full`, outputs);
  expect(flaws).toEqual(FLAWLESS);
}, 120_000);
