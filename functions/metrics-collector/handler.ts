/** Metrics, and what is measured in heartbeats and health events; who asks for it; CloudWatch. */
import { createFunction } from '#shared/function/create-function.ts';
import { environmentRuntime, parseSettings } from '#shared/function/runtime.ts';
import { agentMetrics, componentMetrics } from './decide.ts';
import { withEmf } from './emf.ts';
import { query } from './queries.ts';
import { settings } from './settings.ts';

export const handler = createFunction(
  { name: 'metrics-collector', settings, entities: [agentMetrics, componentMetrics], queries: [query] },
  (name) => {
    const runtime = environmentRuntime(name);
    // Powertools' own switch, which is off where nobody reads CloudWatch.
    if (process.env.POWERTOOLS_METRICS_DISABLED === 'true') return runtime;
    const { emf } = parseSettings(settings, runtime.environment, name);
    const service = process.env.AWS_LAMBDA_FUNCTION_NAME ?? name;
    // A bare line: what Lambda puts before one of console.log, CloudWatch would not read.
    return { ...runtime, store: withEmf(runtime.store, { settings: emf, service, write: (line) => process.stdout.write(`${line}\n`) }) };
  },
);
