/**
 * A bridge in a network namespace is cut off from NATS, but not from its functions, for longer than its leases last: the other
 * takes over, and it steps down when it is back. Where namespaces are not permitted (they need Linux, root and iproute2) this
 * is skipped.
 */
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { FLAWLESS, judge, startLoad } from '#test/support/chaos-load.ts';
import { scaled } from '#test/support/chaos-scale.ts';
import { type BridgeProgram, type ChaosWorld, setupChaos } from '#test/support/chaos-world.ts';
import { networkNamespace } from '#test/support/network-namespace.ts';

const ROUNDS = scaled(2);
const PATIENT = { timeout: 60_000, interval: 100 };
const [NATS, LAMBDA] = [0, 1];

const namespace = await networkNamespace(2).catch((error: Error) => {
  console.info(`network namespaces are not permitted here, so no partition is tried: ${error.message}`);
  return undefined;
});
afterAll(() => namespace?.remove());

let world: ChaosWorld;
let inside: BridgeProgram;
beforeEach(async () => {
  if (!namespace) return;
  world = await setupChaos({ natsAddress: namespace.here(NATS), lambdaAddress: namespace.here(LAMBDA) });
  inside = await world.startBridge({}, { command: namespace.inside, address: namespace.there(LAMBDA) });
});
afterEach(() => world?.stop());

const owned = (bridge: BridgeProgram) => bridge.metric('owned');
const alarms = async () => (await world.manager.streams.info('TIMERS')).state.messages;
const acted = async () => (await world.manager.streams.info('SUMS')).state.messages;

test.skipIf(!namespace)(
  'a bridge that is cut off from NATS is replaced, and steps down when it is back',
  async () => {
    if (!namespace) return;
    const load = startLoad(world);
    for (let round = 0; round < ROUNDS; round++) {
      await expect.poll(() => owned(inside), PATIENT).toBe(2);
      const before = await acted();
      await expect.poll(acted, PATIENT).toBeGreaterThan(before + 1000);
      // What an alarm caused while its bridge was lost may wait for the sweep, and there is none here.
      await expect.poll(alarms, PATIENT).toBe(0);
      await namespace.cut(NATS);
      const other = await world.startBridge();
      await expect.poll(() => owned(other), PATIENT).toBe(2);
      const cutAt = await acted();
      await expect.poll(acted, PATIENT).toBeGreaterThan(cutAt + 500);
      expect(await owned(inside)).toBe(2);
      await namespace.mend(NATS);
      await expect.poll(async () => (await owned(inside)) + (await owned(other)), PATIENT).toBe(2);
      await other.stop();
    }
    const counts = await load.stop();
    const { flaws, ...outputs } = await judge(world, counts);
    console.info(`${load.published()} messages, cut off ${ROUNDS} times`, outputs);
    expect(flaws).toEqual(FLAWLESS);
  },
  60_000 + ROUNDS * 60_000,
);
