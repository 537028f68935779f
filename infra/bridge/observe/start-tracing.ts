/**
 * What the bridge tells OpenTelemetry. Off, and not even loaded, unless an OTLP endpoint is set in the environment; then
 * the messages whose `traceparent` is sampled have spans.
 */
import type { Tracing } from './tracing.ts';

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
