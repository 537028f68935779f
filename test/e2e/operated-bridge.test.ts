/** Bridges as operators see them, on a real server: paused, begun again, beside each other, drained, streaming, slow. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Bridge, startBridge } from '#infra/bridge/bridge.ts';
import { handlerInvoker, type LocalHandler } from '#infra/bridge/invoke/local-invoker.ts';
import { parseManifest } from '#infra/bridge/manifest/read-manifest.ts';
import type { Invoker } from '#infra/bridge/ports/ports.ts';
import type { Answer, Batch } from '#shared/contract.ts';
import { setupNats, type TestNats } from '#test/support/nats.ts';

const WITHIN = { timeout: 20_000, interval: 20 };
const NOTHING: Answer = { batchItemFailures: [], publish: [], timers: [] };
const HEALTH = 'stream: SUPERVISION_EVENTS, subjects: [supervision.health.*]';

let nats: TestNats;
let cleanup: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  nats = await setupNats({ streams: true });
  cleanup = [() => nats.stop()];
});
afterEach(async () => {
  for (const clean of cleanup.reverse()) await clean();
});

const yaml = (events: string[], { timeout = 6 } = {}) =>
  `provider: {}\nfunctions:\n  f:\n    handler: f/handler.handler\n    timeout: ${timeout}\n    events:\n${events.map((event) => `      - nats: { ${event} }\n`).join('')}`;

/** A bridge with a connection of its own. */
const aBridge = async (
  serverless: string,
  invoker: Invoker | LocalHandler,
): Promise<Bridge & { log: string[]; connection: NatsConnection }> => {
  const connection = await connect({ servers: nats.url });
  const log: string[] = [];
  const bridge = await startBridge({
    manifest: parseManifest(serverless, 'serverless.yml'),
    connection,
    invoker: typeof invoker === 'function' ? handlerInvoker(new Map([['f', invoker]])) : invoker,
    log: (sentence) => log.push(sentence),
  });
  cleanup.push(async () => {
    await bridge.drain(5000);
    await connection.close();
  });
  return { ...bridge, log, connection };
};

const publish = async (...texts: string[]): Promise<void> => {
  const js = jetstream(nats.connection);
  for (const text of texts) await js.publish(`supervision.health.${text}`, text);
};

const control = async (verb: string, body: object) =>
  (await nats.connection.request(`control.bridge.${verb}`, JSON.stringify(body))).json<Record<string, unknown>>();

const unsettled = async (durable: string): Promise<number> => {
  const info = await (await jetstreamManager(nats.connection)).consumers.info('SUPERVISION_EVENTS', durable);
  return info.num_pending + info.num_ack_pending;
};

/** Keeps what it was called with. */
const keeping = (seen: string[]) => async (batch: Batch) => {
  seen.push(...batch.Records.map(({ data }) => data));
  return NOTHING;
};

test('a paused binding leaves its messages where they are, and goes on when it is resumed', async () => {
  const seen: string[] = [];
  await aBridge(yaml([`name: a, ${HEALTH}`]), keeping(seen));
  await publish('1');
  await expect.poll(() => seen, WITHIN).toEqual(['1']);
  expect(await control('pause', { binding: 'f' })).toEqual({
    bindings: [
      { binding: 'f.alarms', paused: true },
      { binding: 'f.a', paused: true },
    ],
  });
  await expect
    .poll(
      async () => (await jetstreamManager(nats.connection)).consumers.info('SUPERVISION_EVENTS', 'f_a').then((info) => info.num_waiting),
      WITHIN,
    )
    .toBe(0);
  await publish('2');
  expect([await unsettled('f_a'), seen]).toEqual([1, ['1']]);
  await control('resume', { binding: 'f' });
  await expect.poll(() => seen, WITHIN).toEqual(['1', '2']);
});

test('a binding that is reset begins again where it is told, in the next epoch', async () => {
  const seen: string[] = [];
  const consumers = new Set<string>();
  await aBridge(yaml([`name: a, ${HEALTH}, concurrency: 1`]), async (batch) => {
    consumers.add(batch.consumer.replace(/.*\//, ''));
    return keeping(seen)(batch);
  });
  await publish('1', '2', '3');
  await expect.poll(() => seen.length, WITHIN).toBe(3);
  expect(await control('reset', { binding: 'f.a', to: { sequence: 2 } })).toMatchObject({ epoch: 2, from_sequence: 2, messages: 2 });
  await expect.poll(() => seen, WITHIN).toEqual(['1', '2', '3', '2', '3']);
  expect([...consumers]).toEqual(['f_a.1', 'f_a.2']);
});

test('a binding that starts with what is new sees nothing older', async () => {
  const seen: string[] = [];
  await publish('old');
  await aBridge(yaml([`name: a, ${HEALTH}, start: new`]), keeping(seen));
  await publish('new');
  await expect.poll(() => seen, WITHIN).toEqual(['new']);
});

test('a function split by subject into partitions is shared by two bridges, each message going to one of them', async () => {
  const split = yaml([
    'name: a, stream: SUPERVISION_EVENTS, subjects: [supervision.health.a], partition: first',
    'name: b, stream: SUPERVISION_EVENTS, subjects: [supervision.health.b], partition: second',
  ]);
  const seen: [string[], string[]] = [[], []];
  const bridges = [await aBridge(split, keeping(seen[0])), await aBridge(split, keeping(seen[1]))];
  const owned = async (bridge: Bridge) => [...(await bridge.metrics()).matchAll(/owned\{duty="(f\.[a-z]+)"\} 1/g)].map(([, duty]) => duty);
  const owners = async () => (await Promise.all(bridges.map(owned))).flat().toSorted();
  await expect.poll(owners, WITHIN).toEqual(['f.first', 'f.second']);
  await publish('a', 'b', 'a', 'b');
  await expect.poll(() => seen.flat().toSorted(), WITHIN).toEqual(['a', 'a', 'b', 'b']);
});

test('the alarms of a function know what its partitions have settled', async () => {
  const floors: Record<string, number>[] = [];
  await aBridge(
    yaml(['name: a, stream: SUPERVISION_EVENTS, subjects: [supervision.health.a], partition: first', 'name: sweep, schedule: 1']),
    async (batch) => {
      if (batch.floors)
        floors.push(Object.fromEntries(Object.entries(batch.floors).map(([id, floor]) => [id.replace(/.*\//, ''), floor.sequence])));
      return NOTHING;
    },
  );
  await publish('a', 'a');
  await expect.poll(() => floors.at(-1), WITHIN).toEqual({ 'f_alarms.1': expect.any(Number), 'f_a.1': 2 });
});

test('a bridge that is drained finishes what is in flight, and the other goes on at once', async () => {
  const finish = Promise.withResolvers<void>();
  const seen: [string[], string[]] = [[], []];
  const serverless = yaml([`name: a, ${HEALTH}, batchSize: 1, concurrency: 1`]);
  const first = await aBridge(serverless, async (batch) => {
    seen[0].push(batch.Records[0]?.data ?? '');
    await finish.promise;
    return NOTHING;
  });
  await publish('1', '2', '3');
  await expect.poll(() => seen[0], WITHIN).toEqual(['1']);
  await aBridge(serverless, keeping(seen[1]));
  const drained = first.drain(5000);
  finish.resolve();
  await drained;
  await expect.poll(() => [...seen[0], ...seen[1]].toSorted(), WITHIN).toEqual(['1', '2', '3']);
  await expect.poll(() => unsettled('f_a'), WITHIN).toBe(0);
});

test('a streamed reply comes part by part and ends with an empty message', async () => {
  const parts = async function* () {
    for (const word of ['all', 'is', 'well']) yield Buffer.from(word);
  };
  const invoker: Invoker = { invoke: async () => NOTHING, invokeStreamed: parts };
  await aBridge(yaml(['name: ask, request: [agents.oracle.ask], streamed: true']), invoker);
  const inbox = 'answers.to.me';
  const answers: string[] = [];
  nats.connection.subscribe(inbox, { callback: (_, message) => void answers.push(message.string()) });
  nats.connection.publish('agents.oracle.ask', '{}', { reply: inbox });
  await expect.poll(() => answers, WITHIN).toEqual(['all', 'is', 'well', '']);
});

test('an invocation of a request ends when its requester gives up', async () => {
  const deadlines: string[] = [];
  await aBridge(yaml(['name: ask, request: [agents.oracle.ask]']), async (batch) => {
    deadlines.push(batch.deadline);
    return { ...NOTHING, replies: batch.Records.map(({ id }) => ({ itemIdentifier: id, data: '42' })) };
  });
  const patience = headers();
  const deadline = new Date(Date.now() + 2000).toISOString();
  patience.set('X-Deadline', deadline);
  const answer = await nats.connection.request('agents.oracle.ask', '{}', { headers: patience, timeout: 5000 });
  expect([answer.string(), deadlines]).toEqual(['42', [deadline]]);
});

test('a handler that outlives the ack wait of what waits behind it is called once a message', async () => {
  const seen: string[] = [];
  // The ack wait is the timeout and 7 s; three in turn take longer than that.
  const serverless = yaml([`name: a, ${HEALTH}, batchSize: 1, concurrency: 1`], { timeout: 5 });
  await aBridge(serverless, async (batch) => {
    seen.push(`${batch.Records[0]?.data} ${batch.Records[0]?.deliveries}`);
    await new Promise((resolve) => setTimeout(resolve, 4500));
    return NOTHING;
  });
  await publish('1', '2', '3', '4');
  await expect.poll(() => unsettled('f_a'), { timeout: 28_000, interval: 100 }).toBe(0);
  expect(seen).toEqual(['1 1', '2 1', '3 1', '4 1']);
}, 40_000);

test('a consumer that cannot be used as it is ends the start with a sentence', async () => {
  const manager = await jetstreamManager(nats.connection);
  await manager.consumers.add('SUPERVISION_EVENTS', { durable_name: 'f_a', ack_policy: 'none', filter_subject: 'supervision.health.*' });
  await expect(aBridge(yaml([`name: a, ${HEALTH}`]), keeping([]))).rejects.toThrow(
    'the consumer f_a of the stream SUPERVISION_EVENTS has the ack policy "none", which cannot be changed without losing its position',
  );
});

test('a function that answers requests is listed as a micro service while a bridge has it', async () => {
  const bridge = await aBridge(yaml(['name: ask, request: [agents.oracle.ask]']), keeping([]));
  const service = (await nats.connection.request('$SRV.INFO.f')).json<{ name: string; endpoints: { subject: string }[] }>();
  expect([service.name, service.endpoints.map(({ subject }) => subject)]).toEqual(['f', ['agents.oracle.ask']]);
  await bridge.drain(5000);
  await expect(nats.connection.request('$SRV.INFO.f')).rejects.toThrow(/no responders/i);
});
