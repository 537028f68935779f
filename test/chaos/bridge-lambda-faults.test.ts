/** The Lambda API throttles, hangs, resets, fails and talks nonsense in turns under load, before a function was entered and after. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FLAWLESS, judge, startLoad } from '#test/support/chaos-load.ts';
import { scaled } from '#test/support/chaos-scale.ts';
import { type BridgeProgram, type ChaosWorld, setupChaos } from '#test/support/chaos-world.ts';
import { answers, type Behaviour, fails, type LambdaCall, refuses, startLambdaApi } from '#test/support/lambda-api.ts';

const ROUNDS = scaled(1);
const CONCURRENCY = 8;
const TURN_MS = 1000;
const PATIENT = { timeout: 20_000, interval: 50 };

let world: ChaosWorld;
let bridge: BridgeProgram;
let api: Awaited<ReturnType<typeof startLambdaApi>>;
let behave: Behaviour;

/** The function is called, and its answer is there to be lost. */
const forward = async ({ path, payload, headers }: LambdaCall): Promise<string> =>
  (await fetch(world.lambda + path, { method: 'POST', body: payload, headers: { 'x-amz-date': String(headers['x-amz-date']) } })).text();

const works: Behaviour = async (call) => answers(await forward(call))(call);

/** Half of the calls reach the function all the same. */
const orAfter =
  (fault: Behaviour): Behaviour =>
  async (call) => {
    if (api.called.length % 2 === 0) await forward(call);
    return fault(call);
  };

const throttles = refuses(429, 'TooManyRequestsException');
const FAULTS: Record<string, Behaviour> = {
  throttles,
  hangs: orAfter(() => {}),
  resets: orAfter(({ response }) => response.socket?.destroy()),
  'ends in the middle of its answer': orAfter(({ response }) =>
    response.writeHead(200, { 'Content-Length': '1000' }).write('{"batch', () => response.socket?.destroy()),
  ),
  'fails itself': refuses(500, 'ServiceException'),
  'is behind a proxy that fails': orAfter(({ response }) => response.writeHead(500).end('<h1>It is not you</h1>')),
  'talks nonsense': orAfter(answers('<h1>Welcome</h1>')),
  'names strangers': orAfter(answers(JSON.stringify({ batchItemFailures: [{ itemIdentifier: 'x' }], publish: [], timers: [] }))),
  'says that the function failed': orAfter(fails({ errorType: 'Error', errorMessage: 'Task timed out after 1.00 seconds' })),
};

beforeEach(async () => {
  behave = works;
  world = await setupChaos({ concurrency: CONCURRENCY, batchSize: 10 });
  api = await startLambdaApi((call) => behave(call));
  bridge = await world.startBridge({ AWS_ENDPOINT_URL_LAMBDA: api.endpoint });
});
afterEach(async () => {
  await world.stop();
  await api.close();
});

test(
  'a Lambda API that fails in every way',
  async () => {
    const limit = () => bridge.metric('concurrency_limit', 'tally');
    const load = startLoad(world);
    await expect.poll(limit, PATIENT).toBe(CONCURRENCY);
    for (let round = 0; round < ROUNDS; round++)
      for (const fault of Object.values(FAULTS)) {
        behave = fault;
        await pause(TURN_MS);
        behave = works;
        await pause(TURN_MS);
      }
    behave = throttles;
    await expect.poll(limit, PATIENT).toBe(1);
    behave = works;
    await expect.poll(limit, PATIENT).toBe(CONCURRENCY);
    const counts = await load.stop();
    const { flaws, ...outputs } = await judge(world, counts);
    console.info(`${load.published()} messages, ${api.called.length} calls, ${ROUNDS * Object.keys(FAULTS).length} turns`, outputs);
    expect(flaws).toEqual(FLAWLESS);
  },
  120_000 + ROUNDS * 60_000,
);
