/**
 * Spans after the fact: an invocation is told once, when it is over, and its spans are made with the times they had.
 * Names and attributes are OpenTelemetry's conventions for messaging.
 *
 *     publish (whoever it was)
 *     ├─ process <binding>      a record, from its delivery until it is settled; its id is the parent of the record's outputs
 *     │  ├─ invoke <function>   where several records share it: a trace of its own, linked both ways
 *     │  └─ publish <subject>   an output
 */
import {
  type Attributes,
  createTraceState,
  type Link,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources';
import { BatchSpanProcessor, RandomIdGenerator, type SpanExporter, type SpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { BatchRecord, ErrorBody, Headers } from '#shared/contract.ts';
import { processSpanId, traceParentOf } from '#shared/function/trace.ts';
import { messageBySubject } from '#shared/messages/catalogue.ts';
import { headerOf } from '#shared/messages/headers.ts';
import type { Invocation, Tracing } from './tracing.ts';

const SAMPLED = 1;
/** At most so many spans wait to be sent; more are left out. */
const MAX_QUEUED = 16_384;
const STOP_MS = 5000;

export const otlpTracing = (log: (sentence: string) => void): Tracing =>
  otelTracing(new BatchSpanProcessor({ exporter: told(new OTLPTraceExporter(), log), maxQueueSize: MAX_QUEUED }));

/** Says that spans cannot be sent, once until they can. */
const told = (exporter: SpanExporter, log: (sentence: string) => void): SpanExporter => {
  let failing = false;
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.error && !failing) log(`spans cannot be sent to the OTLP collector and are left out: ${result.error.message}`);
        failing = result.error !== undefined;
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
  };
};

export const otelTracing = (processor: SpanProcessor): Tracing => {
  const ids = chosenIds();
  const resource = defaultResource()
    .merge(resourceFromAttributes({ 'service.name': 'mistersmith-bridge' }))
    .merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] }));
  const provider = new TracerProvider({ idGenerator: ids, resource, spanProcessors: [processor] });
  const tracer = provider.getTracer('mistersmith-bridge');
  return {
    invoked: (invocation) => tell(tracer, ids, invocation),
    stop: () =>
      Promise.race([provider.shutdown().catch(() => undefined), new Promise<void>((resolve) => setTimeout(resolve, STOP_MS).unref())]),
  };
};

/** Span ids are drawn, unless the next one was chosen. */
type ChosenIds = RandomIdGenerator & { next: string | undefined };
const chosenIds = (): ChosenIds => {
  const random = new RandomIdGenerator();
  const ids: ChosenIds = {
    next: undefined,
    generateTraceId: () => random.generateTraceId(),
    generateSpanId: () => {
      const id = ids.next ?? random.generateSpanId();
      ids.next = undefined;
      return id;
    },
  };
  return ids;
};

type SpanFacts = {
  kind: SpanKind;
  parent?: SpanContext | undefined;
  /** Drawn where absent. */
  id?: string;
  start: number;
  end: number;
  attributes: Attributes;
  links?: Link[];
  failure?: ErrorBody | undefined;
};

const addSpan = (tracer: Tracer, ids: ChosenIds, name: string, facts: SpanFacts): SpanContext => {
  const { kind, parent, start, end, attributes, links = [], failure } = facts;
  const context = parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
  ids.next = facts.id;
  const span = tracer.startSpan(name, { kind, startTime: new Date(start), attributes, links }, context);
  if (failure) {
    span.setAttribute('error.type', failure.code);
    span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
  }
  span.end(new Date(end));
  return span.spanContext();
};

/** The span that a message's sender was in; undefined where it is not sampled. */
const parentOf = (headers: Headers): SpanContext | undefined => {
  const parent = traceParentOf(headers);
  if (!parent || (Number.parseInt(parent.flags, 16) & SAMPLED) === 0) return undefined;
  const state = headerOf(headers, 'tracestate');
  const { traceId, spanId } = parent;
  return { traceId, spanId, traceFlags: SAMPLED, isRemote: true, ...(state && { traceState: createTraceState(state) }) };
};

const failureOf = (invocation: Invocation, record: BatchRecord): ErrorBody | undefined => {
  if ('error' in invocation) return { code: invocation.error.kind, message: invocation.error.message };
  const failure = invocation.failures.get(record.id);
  return failure && (failure.reason ?? { code: 'failed', message: 'the function gave no reason' });
};

const tell = (tracer: Tracer, ids: ChosenIds, invocation: Invocation): void => {
  const { function: name, binding, started, ended, settled } = invocation;
  const traced = invocation.batch.flatMap(({ queuedAt, delivery: { record } }) => {
    const parent = parentOf(record.headers);
    if (!parent) return [];
    const failure = failureOf(invocation, record);
    // A failed attempt has no outputs whose parent it is, and may not be the last.
    const id = failure ? ids.generateSpanId() : processSpanId(name, record.id);
    return [{ record, queuedAt, parent, failure, id, own: { ...parent, spanId: id, isRemote: false } }];
  });
  const [first] = traced;
  if (!first) return;
  const alone = invocation.batch.length === 1;
  const invoke = addSpan(tracer, ids, `invoke ${name}`, {
    kind: SpanKind.CLIENT,
    ...(alone ? { parent: first.own } : { links: traced.map(({ own }) => ({ context: own })) }),
    start: started,
    end: ended,
    attributes: { 'faas.invoked_name': name, 'messaging.system': 'nats', 'messaging.batch.message_count': invocation.batch.length },
    failure: 'error' in invocation ? { code: invocation.error.kind, message: invocation.error.message } : undefined,
  });
  for (const { record, queuedAt, parent, failure, id } of traced)
    addSpan(tracer, ids, `process ${binding}`, {
      kind: SpanKind.CONSUMER,
      parent,
      id,
      start: queuedAt,
      end: settled,
      attributes: {
        ...messaging('process', 'process', record.subject),
        'messaging.consumer.group.name': binding,
        'messaging.message.id': record.id,
        'mistersmith.deliveries': record.deliveries,
      },
      ...(!alone && { links: [{ context: invoke }] }),
      failure,
    });
  if ('publish' in invocation) tellOutputs(tracer, ids, invocation.publish, ended, settled);
};

const tellOutputs = (
  tracer: Tracer,
  ids: ChosenIds,
  outputs: readonly { subject: string; headers?: Headers | undefined }[],
  start: number,
  end: number,
): void => {
  for (const { subject, headers } of outputs) {
    const parent = headers && parentOf(headers);
    if (!parent) continue;
    const attributes = messaging('publish', 'send', subject);
    const name = `publish ${attributes['messaging.destination.template'] ?? subject}`;
    addSpan(tracer, ids, name, { kind: SpanKind.PRODUCER, parent, start, end, attributes });
  }
};

const messaging = (operation: string, type: string, subject: string): Attributes => {
  const template = messageBySubject(subject)?.subject;
  return {
    'messaging.system': 'nats',
    'messaging.operation.name': operation,
    'messaging.operation.type': type,
    'messaging.destination.name': subject,
    ...(template && { 'messaging.destination.template': template }),
  };
};
