import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Delivery } from '#infra/bridge/ports/ports.ts';
import { microService, newEndpoint } from '#infra/bridge/sources/micro-service.ts';
import { requestSource } from '#infra/bridge/sources/request-source.ts';
import type { Clock } from '#shared/clock.ts';
import { setupNats, type TestNats } from '#test/support/nats.ts';
import { collector } from './bridge-nats.ts';

let server: TestNats;
let nc: NatsConnection;
beforeAll(async () => {
  server = await setupNats();
  nc = server.connection;
});
afterAll(() => server.stop());

/** A bridge with the function `registry`; `work` is what becomes of a request, and what it answers takes 5 ms of its clock. */
const setup = async (work: (delivery: Delivery) => void = () => {}) => {
  let now = 1000;
  const clock: Clock = { now: () => now, after: () => () => {} };
  const common = { nc, bridgeId: 'b1', started: 1, dropped: () => {}, clock };
  const source = requestSource({ ...common, binding: 'registry.find', subjects: ['agents.find.*', 'agents.all.>'] });
  const deliver = (delivery: Delivery) => {
    now += 5;
    work(delivery);
  };
  source.start({ ...collector(), deliver });
  const about = { name: 'registry', version: '0.1.0', description: 'knows the agents', started: 0 };
  const stop = microService({ nc, ...about, endpoints: source.endpoints });
  onTestFinished(async () => {
    stop();
    await source.stop();
  });
  await nc.flush();
  return { stop };
};

const ask = async (subject: string) => (await nc.request(subject, '', { timeout: 2000 })).json<Record<string, unknown>>();
const askAll = async (subject: string) => {
  const replies = await nc.requestMany(subject, '', { strategy: 'timer', maxWait: 300 });
  return Array.fromAsync(replies, (reply) => reply.json<Record<string, unknown>>());
};

const service = { name: 'registry', id: expect.stringMatching(/^\w+$/), version: '0.1.0', metadata: {} };
const find = { name: 'find_agents-find-any', subject: 'agents.find.*', queue_group: 'registry_find', metadata: {} };
const all = { name: 'find_agents-all-all', subject: 'agents.all.>', queue_group: 'registry_find', metadata: {} };
const noneYet = { num_requests: 0, num_errors: 0, last_error: '', processing_time: 0, average_processing_time: 0 };

describe('a function that answers requests is a NATS micro service: it', () => {
  it('answers $SRV.PING', async () => {
    await setup();
    expect(await ask('$SRV.PING')).toEqual({ type: 'io.nats.micro.v1.ping_response', ...service });
  });

  it('answers $SRV.INFO with its endpoints, one a subject', async () => {
    await setup();
    const about = { type: 'io.nats.micro.v1.info_response', ...service, description: 'knows the agents' };
    expect(await ask('$SRV.INFO.registry')).toEqual({ ...about, endpoints: [find, all] });
  });

  it('answers $SRV.STATS with what its endpoints have done', async () => {
    await setup(({ record, respond, ack }) => {
      respond?.(record.data === 'wrong' ? { error: { code: 'invalid_body', message: 'no name' } } : { data: 'found' });
      ack();
    });
    for (const body of ['right', 'wrong', 'right', 'right']) await nc.request('agents.find.x', body);
    const did = {
      ...{ num_requests: 4, num_errors: 1, last_error: '400:no name' },
      ...{ processing_time: 20_000_000, average_processing_time: 5_000_000 },
    };
    const about = { type: 'io.nats.micro.v1.stats_response', ...service, started: '1970-01-01T00:00:00.000Z' };
    expect(await ask('$SRV.STATS')).toEqual({
      ...about,
      endpoints: [
        { ...find, ...did },
        { ...all, ...noneYet },
      ],
    });
  });

  it('counts the time of a request that is left without an answer until it is settled', async () => {
    await setup(({ ack }) => ack());
    nc.publish('agents.all.x', '');
    await expect
      .poll(async () => (await ask('$SRV.STATS')).endpoints)
      .toContainEqual(expect.objectContaining({ ...all, num_requests: 1, processing_time: 5_000_000 }));
  });

  it('is an instance of its own on each bridge, and answers by its id too', async () => {
    await setup();
    await setup();
    const [one, two] = await askAll('$SRV.PING.registry');
    expect(one?.id).not.toBe(two?.id);
    expect(await askAll(`$SRV.INFO.registry.${two?.id}`)).toEqual([expect.objectContaining({ id: two?.id })]);
  });

  it('is gone once it was stopped', async () => {
    const { stop } = await setup();
    stop();
    await expect(ask('$SRV.PING.registry')).rejects.toThrow('no responders');
  });
});

it.each([
  ['registry.find', 'agents.discovery.*', 'find_agents-discovery-any'],
  ['dlq-processor.control', 'control.dlq.>', 'control_control-dlq-all'],
  ['odd.events', 'a.$b.c*', 'events_a--b-c-'],
])('names the endpoint of %s at %s %s', (binding, subject, name) => {
  expect(newEndpoint(binding, subject, 'q')).toMatchObject({ name, subject, queue: 'q' });
});
