import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Delivery } from '#infra/bridge/ports.ts';
import { requestSource } from '#infra/bridge/request-source.ts';
import { setupNats, type TestNats } from '#test/support/nats.ts';
import { collector } from './bridge-nats.ts';

let server: TestNats;
beforeAll(async () => {
  server = await setupNats();
});
afterAll(() => server.stop());

const setup = async (answer: (delivery: Delivery) => void) => {
  const sink = collector();
  const source = requestSource({
    nc: server.connection,
    binding: 'agent-registry.find',
    subjects: ['agents.discovery.*'],
    bridgeId: 'b1',
    started: 1,
    dropped: () => {},
  });
  const deliver = (delivery: Delivery) => {
    sink.deliver(delivery);
    answer(delivery);
  };
  onTestFinished(() => source.stop());
  source.start({ ...sink, deliver });
  await server.connection.flush();
  const ask = async () => {
    const reply = await server.connection.request('agents.discovery.find', '{}', { timeout: 2000 });
    return { data: reply.string(), headers: Object.fromEntries(reply.headers ?? []) };
  };
  return { source, sink, ask };
};

describe('a request source', () => {
  it('answers with data and headers', async () => {
    const { source, sink, ask } = await setup((delivery) =>
      delivery.respond?.({ data: '{"agents":[]}', headers: { 'X-Page': ['1', '2'] } }),
    );
    expect(await ask()).toEqual({ data: '{"agents":[]}', headers: { 'X-Page': ['1', '2'] } });
    expect(sink.deliveries[0]?.record).toMatchObject({ subject: 'agents.discovery.find', reply: expect.stringMatching(/^_INBOX\./) });
    expect(source).toMatchObject({ eventSource: 'nats:request', consumer: 'request@1/agent-registry.find.b1' });
  });

  it.each([
    ['invalid_body', '400'],
    ['not_found', '404'],
    ['too_many', '429'],
    ['timeout', '504'],
    ['function_error', '500'],
    ['toString', '500'],
  ])('answers the error %s as a micro service does, with the code %s', async (code, number) => {
    const { ask } = await setup((delivery) => delivery.respond?.({ error: { code, message: 'two\r\nlines' } }));
    expect(await ask()).toEqual({
      data: JSON.stringify({ error: { code, message: 'two\r\nlines' } }),
      headers: { 'Nats-Service-Error': ['two lines'], 'Nats-Service-Error-Code': [number] },
    });
  });

  it('says so when an answer cannot be sent', async () => {
    const tooLarge = 'x'.repeat(server.connection.info?.max_payload ?? 0).concat('x');
    const { ask } = await setup((delivery) => delivery.respond?.({ data: tooLarge }));
    const { data } = await ask();
    expect(JSON.parse(data).error).toEqual({ code: 'unsendable_answer', message: expect.stringContaining('max_payload') });
  });

  it('delivers a message that expects no answer', async () => {
    const { sink } = await setup(() => {});
    server.connection.publish('agents.discovery.find', 'fire and forget');
    await vi.waitFor(() => expect(sink.data()).toEqual(['fire and forget']));
    expect(sink.deliveries[0]).not.toHaveProperty('respond');
    expect(sink.deliveries[0]?.record).not.toHaveProperty('reply');
  });
});
