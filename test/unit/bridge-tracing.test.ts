import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { describe, expect, it } from 'vitest';
import { otelTracing } from '#infra/bridge/observe/otel-tracing.ts';
import { startTracing } from '#infra/bridge/observe/start-tracing.ts';
import type { Invocation } from '#infra/bridge/observe/tracing.ts';
import { carriedHeaders } from '#shared/function/trace.ts';
import { aRecord } from '#test/support/fake-ports.ts';

const SENDER = 'b'.repeat(16);
const traceOf = (n: number) => n.toString(16).padStart(32, 'a');
const traced = (n: number, flags = '01') => aRecord(n, { headers: { traceparent: [`00-${traceOf(n)}-${SENDER}-${flags}`] } });
const at = Date.now();
const times = { started: at + 10, ended: at + 30, settled: at + 35 };
const held = (...records: ReturnType<typeof aRecord>[]): Invocation['batch'] =>
  records.map((record) => ({ queuedAt: at, delivery: { record } }));
const nothing = { publish: [], failures: new Map() };
const of = { function: 'fn', binding: 'fn.events', ...times };
const ms = ([seconds, nanos]: [number, number]) => seconds * 1000 + nanos / 1e6;

/** The spans of an invocation, by name; the id of a span is as in its outputs' `traceparent`. */
const spansOf = (invocation: Invocation): Record<string, ReadableSpan> => {
  const exporter = new InMemorySpanExporter();
  otelTracing(new SimpleSpanProcessor({ exporter })).invoked(invocation);
  return Object.fromEntries(exporter.getFinishedSpans().map((span) => [span.name, span]));
};
const lineage = (span?: ReadableSpan) => [span?.spanContext().traceId, span?.parentSpanContext?.spanId];

describe('traces', () => {
  const record = traced(1);
  const headers = carriedHeaders(record, 'fn');
  const publish = [{ cause: record.id, subject: 'agents.a1.commands.stop', data: '{}', headers }];

  it('go on from the sender over the invocation to the outputs', () => {
    const {
      'process fn.events': process,
      'invoke fn': invoke,
      ...outputs
    } = spansOf({ ...of, ...nothing, batch: held(record), publish: publish as [] });
    const [output] = Object.values(outputs);
    const own = headers?.traceparent?.[0]?.split('-')[2];
    expect(process?.spanContext().spanId).toBe(own);
    expect([process, invoke, output].map(lineage)).toEqual([
      [traceOf(1), SENDER],
      [traceOf(1), own],
      [traceOf(1), own],
    ]);
    expect([process, invoke, output].map((span) => span?.kind)).toEqual([SpanKind.CONSUMER, SpanKind.CLIENT, SpanKind.PRODUCER]);
  });

  it('have the times that things happened at', () => {
    const spans = spansOf({ ...of, ...nothing, batch: held(record), publish: publish as [] });
    const spent = Object.values(spans).map(({ startTime, endTime }) => [ms(startTime) - at, ms(endTime) - at]);
    expect(spent).toEqual([
      [10, 30],
      [0, 35],
      [30, 35],
    ]);
  });

  it('say what a message was in the words of the messaging conventions', () => {
    const { 'process fn.events': process } = spansOf({ ...of, ...nothing, batch: held(record) });
    expect(process?.attributes).toEqual({
      'messaging.system': 'nats',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'in.a',
      'messaging.consumer.group.name': 'fn.events',
      'messaging.message.id': record.id,
      'mistersmith.deliveries': 1,
    });
    expect(process?.resource.attributes['service.name']).toBe('mistersmith-bridge');
  });

  it('link an invocation of several messages with each of them', () => {
    const { 'process fn.events': process, 'invoke fn': invoke } = spansOf({ ...of, ...nothing, batch: held(traced(1), traced(2)) });
    expect(invoke?.parentSpanContext).toBeUndefined();
    expect(invoke?.links.map(({ context }) => context.traceId)).toEqual([traceOf(1), traceOf(2)]);
    expect(process?.links.map(({ context }) => context.spanId)).toEqual([invoke?.spanContext().spanId]);
    expect(invoke?.attributes['messaging.batch.message_count']).toBe(2);
  });

  it('leave out what is not sampled', () => {
    expect(spansOf({ ...of, ...nothing, batch: held(aRecord(1), traced(2, '00')) })).toEqual({});
  });

  it('show a failed record as an error, in a span that is not the parent of later outputs', () => {
    const failures = new Map([[record.id, { itemIdentifier: record.id, reason: { code: 'conflict', message: 'too many write it' } }]]);
    const { 'process fn.events': process, 'invoke fn': invoke } = spansOf({ ...of, publish: [], failures, batch: held(record) });
    expect(process?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'too many write it' });
    expect(process?.attributes['error.type']).toBe('conflict');
    expect(process?.spanContext().spanId).not.toBe(headers?.traceparent?.[0]?.split('-')[2]);
    expect(invoke?.status.code).toBe(SpanStatusCode.UNSET);
  });

  it('show a failed invocation as an error of all in it', () => {
    const spans = spansOf({ ...of, batch: held(record), error: { kind: 'timeout', message: 'fn did not answer' } });
    expect(Object.values(spans).map(({ attributes }) => attributes['error.type'])).toEqual(['timeout', 'timeout']);
  });

  it('are off, and not loaded, unless an endpoint is set', async () => {
    const fail = () => expect.unreachable();
    expect(await startTracing(fail, {})).toBeUndefined();
    expect(await startTracing(fail, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_SDK_DISABLED: 'true' })).toBeUndefined();
  });
});
