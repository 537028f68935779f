/** A binding with a filter on a real server: what does not match is settled without an invocation, and counted. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Bridge, startBridge } from '#infra/bridge/bridge.ts';
import { handlerInvoker, type LocalHandler } from '#infra/bridge/invoke/local-invoker.ts';
import { parseManifest } from '#infra/bridge/manifest/read-manifest.ts';
import { setupNats, type TestNats } from '#test/support/nats.ts';

const SERVERLESS = `
provider: {}
functions:
  picky:
    handler: functions/picky/handler.handler
    events:
      - nats:
          name: health
          stream: SUPERVISION_EVENTS
          subjects: [supervision.health.*]
          filter:
            status: { state: [unhealthy] }
            $subject: [{ anything-but: { suffix: .ignored } }]
            $headers: { X-Priority: [high] }
`;

let nats: TestNats;
let bridge: Bridge;
const taken: string[] = [];

beforeAll(async () => {
  nats = await setupNats({ streams: true });
  const handler: LocalHandler = async ({ Records }) => {
    taken.push(...Records.map(({ sequence }) => String(sequence)));
    return { batchItemFailures: [], publish: [], timers: [] };
  };
  const invoker = handlerInvoker(new Map([['picky', handler]]));
  bridge = await startBridge({
    manifest: parseManifest(SERVERLESS, 'serverless.yml'),
    connection: nats.connection,
    invoker,
    log: () => {},
  });
});
afterAll(async () => {
  await bridge.drain(5000);
  await nats.stop();
});

test('body, subject and headers decide; the consumer’s floor passes what was left out', async () => {
  const js = jetstream(nats.connection);
  const publish = (agent: string, state: string, priority: string) => {
    const h = headers();
    h.set('x-priority', priority);
    return js.publish(`supervision.health.${agent}`, JSON.stringify({ status: { state } }), { headers: h });
  };
  await publish('a', 'unhealthy', 'low');
  await publish('a', 'healthy', 'high');
  await publish('a', 'unhealthy', 'high');
  await publish('ignored', 'unhealthy', 'high');
  await js.publish('supervision.health.a', 'not JSON');
  const manager = await jetstreamManager(nats.connection);
  const floor = async () => (await manager.consumers.info('SUPERVISION_EVENTS', 'picky_health')).ack_floor.stream_seq;
  await expect.poll(floor, { timeout: 10_000 }).toBe(5);
  expect(taken).toEqual(['3']);
  expect(await bridge.metrics()).toContain('mistersmith_bridge_filtered_out_events_total{binding="picky.health"} 4');
});
