import { headers as createHeaders } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { newAttached } from '#infra/bridge/dispatch/held.ts';
import { runStreamed } from '#infra/bridge/dispatch/streamed-reply.ts';
import { localInvoker } from '#infra/bridge/invoke/local-invoker.ts';
import type { Delivery } from '#infra/bridge/ports/ports.ts';
import { requestSource } from '#infra/bridge/sources/request-source.ts';
import { aDispatch, aHeld } from '#test/support/dispatch.ts';
import { aBinding, aFunction, noMetrics } from '#test/support/fake-ports.ts';
import { streamingManifest } from '#test/support/invoker-contract.ts';
import { setupNats, type TestNats } from '#test/support/nats.ts';
import { collector } from './bridge-nats.ts';

let server: TestNats;
beforeAll(async () => {
  server = await setupNats();
});
afterAll(() => server.stop());

const setup = async (answer: (delivery: Delivery) => void) => {
  const sink = collector();
  const dropped: string[] = [];
  const source = requestSource({
    nc: server.connection,
    binding: 'agent-registry.find',
    subjects: ['agents.discovery.*'],
    bridgeId: 'b1',
    started: 1,
    dropped: (why) => void dropped.push(why),
  });
  const deliver = (delivery: Delivery) => {
    sink.deliver(delivery);
    answer(delivery);
  };
  onTestFinished(() => source.stop());
  source.start({ ...sink, deliver });
  await server.connection.flush();
  const ask = async (deadline?: string) => {
    const headers = createHeaders();
    if (deadline !== undefined) headers.set('x-deadline', deadline);
    const reply = await server.connection.request('agents.discovery.find', '{}', { timeout: 2000, headers });
    return { data: reply.string(), headers: Object.fromEntries(reply.headers ?? []) };
  };
  return { source, sink, ask, dropped };
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

  it("carries the requester's deadline", async () => {
    const { ask, sink } = await setup(({ respond }) => respond?.({ data: 'in time' }));
    expect(await ask('2126-01-31T14:00:00+02:00')).toMatchObject({ data: 'in time' });
    expect(sink.deliveries).toEqual([expect.objectContaining({ deadline: Date.UTC(2126, 0, 31, 12) })]);
  });

  it('answers a request that comes after its deadline, and no function sees it', async () => {
    const { ask, sink, source, dropped } = await setup(({ respond }) => respond?.({ data: 'too late' }));
    const { data, headers } = await ask('2026-01-31T12:00:00Z');
    expect(JSON.parse(data).error).toEqual({ code: 'timeout', message: expect.stringMatching(/after its deadline 2026-01-31T12:00:00Z$/) });
    expect(headers).toMatchObject({ 'Nats-Service-Error-Code': ['504'] });
    expect({ delivered: sink.deliveries, dropped }).toEqual({ delivered: [], dropped: ['refused'] });
    expect(source.endpoints).toEqual([expect.objectContaining({ requests: 1, errors: 1 })]);
  });

  it.each(['soon', '1767225600000', '2026-02-30T12:00:00Z', '2026-01-31 12:00:00'])(
    'does not guess at the deadline %s',
    async (deadline) => {
      const { ask } = await setup(({ respond }) => respond?.({ data: 'whenever' }));
      const { data, headers } = await ask(deadline);
      expect(JSON.parse(data).error).toEqual({ code: 'invalid_deadline', message: expect.stringContaining(`X-Deadline is "${deadline}"`) });
      expect(headers).toMatchObject({ 'Nats-Service-Error-Code': ['400'] });
    },
  );

  it.each([
    ['repeat', /^\{"eventSource":"nats:request".*"Records":\[.*"data":"\{\}".*\}$/, {}],
    ['stumble', /^begun$/, { 'Nats-Service-Error': ['stumble threw: agent a1 is gone'], 'Nats-Service-Error-Code': ['500'] }],
  ])('streams the answer of a function, here %s, as messages ended by an empty one', async (name, text, ended) => {
    const d = aDispatch({ invoker: await localInvoker(streamingManifest()), fn: aFunction({ name, timeout: 5000 }) });
    const binding = aBinding({ name: 'agent-registry.find', streamed: true });
    const { source } = await setup((delivery) => {
      const of = newAttached(binding, source, noMetrics.binding(binding.name));
      void runStreamed(d, of, [aHeld(delivery, source.consumer)]);
    });
    const messages = await server.connection.requestMany('agents.discovery.find', '{}', { strategy: 'sentinel', maxWait: 2000 });
    const replies = await Array.fromAsync(messages);
    const end = replies.pop();
    expect({ data: end?.string(), headers: Object.fromEntries(end?.headers ?? []) }).toEqual({ data: '', headers: ended });
    expect(replies.map((reply) => reply.string()).join('')).toMatch(text);
  });
});
