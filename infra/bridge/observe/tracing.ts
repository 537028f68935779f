/**
 * What the bridge tells OpenTelemetry. Off, and not even loaded, unless an OTLP endpoint is set in the environment; then
 * the messages whose `traceparent` is sampled have spans.
 */
import type { Answer, BatchRecord, ItemFailure } from '#shared/contract.ts';
import type { InvokeFailure } from '../ports/ports.ts';

/** An invocation that is over, with what came of it. Times are epoch ms. */
export type Invocation = {
  function: string;
  binding: string;
  /** `queuedAt`: when the bridge was given it. */
  batch: readonly { queuedAt: number; delivery: { record: BatchRecord } }[];
  /** When the function was called, and when it had answered. */
  started: number;
  ended: number;
  /** When its outputs were confirmed. */
  settled: number;
} & (
  | { error: { kind: InvokeFailure; message: string } }
  | { publish: Answer['publish'] /** Of the records that failed. */; failures: ReadonlyMap<string, ItemFailure> }
);

export type Tracing = {
  invoked(invocation: Invocation): void;
  /** Sends what is not sent yet; gives up after a few seconds. */
  stop(): Promise<void>;
};

/** undefined: nobody asked for traces. The exporter reads the rest of OTEL_EXPORTER_OTLP_... by itself. */
export const startTracing = async (
  log: (sentence: string) => void,
  environment: Record<string, string | undefined> = process.env,
): Promise<Tracing | undefined> => {
  const { OTEL_SDK_DISABLED, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT } = environment;
  if (OTEL_SDK_DISABLED === 'true' || !(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || OTEL_EXPORTER_OTLP_ENDPOINT)) return undefined;
  const { otlpTracing } = await import('./otel-tracing.ts');
  return otlpTracing(log);
};
