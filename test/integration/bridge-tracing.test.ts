/** The exporter itself, against a collector that is nothing but a web server. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startTracing } from '#infra/bridge/observe/start-tracing.ts';
import { aRecord } from '#test/support/fake-ports.ts';

type Export = { resourceSpans: { scopeSpans: { spans: { name: string; traceId: string }[] }[] }[] };

const posts: { url: string | undefined; body: Export }[] = [];
let status = 200;
const collector = createServer(async (request, response) => {
  posts.push({ url: request.url, body: (await json(request)) as Export });
  response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
});
const traceId = '1'.repeat(32);
const log: string[] = [];

beforeAll(async () => {
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', `http://127.0.0.1:${(collector.address() as AddressInfo).port}`);
});
afterAll(() => {
  vi.unstubAllEnvs();
  collector.close();
});

/** A bridge's life: one invocation, and the end. */
const invokeAndStop = async () => {
  const tracing = await startTracing((sentence) => log.push(sentence));
  const record = aRecord(1, { headers: { traceparent: [`00-${traceId}-${'2'.repeat(16)}-01`] } });
  const now = Date.now();
  const batch = [{ queuedAt: now, delivery: { record } }];
  const times = { started: now, ended: now, settled: now };
  tracing?.invoked({ function: 'fn', binding: 'fn.events', batch, ...times, publish: [], failures: new Map() });
  await tracing?.stop();
};

it('traces go to an OTLP collector, at the latest when the bridge stops', async () => {
  await invokeAndStop();
  expect(posts.map(({ url }) => url)).toEqual(['/v1/traces']);
  const spans = posts[0]?.body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
  expect(spans?.map(({ name, traceId }) => [name, traceId])).toEqual([
    ['invoke fn', traceId],
    ['process fn.events', traceId],
  ]);
});

it('a collector that refuses is told of', async () => {
  status = 400;
  await invokeAndStop();
  expect(log).toEqual([expect.stringMatching(/^spans cannot be sent to the OTLP collector and are left out: ./)]);
});
