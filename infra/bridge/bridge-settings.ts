/**
 * The settings of the bridge that runs by itself: environment variables and the manifest, checked whole before anything is
 * connected, so that all mistakes are told at once.
 */
import { LambdaClient } from '@aws-sdk/client-lambda';
import * as z from 'zod';
import { ownEndpoint } from '#shared/own-endpoint.ts';
import { NATS_HELP, natsConflicts, natsUrl, natsVariables } from '../nats/nats-settings.ts';
import { checkEnvironment, type Environment, logLevel, oneOf, port, SettingsError, wholeNumber, withoutEmpty } from '../settings.ts';
import type { Manifest } from './manifest/manifest.ts';
import { ManifestError, readManifest } from './manifest/read-manifest.ts';

const DRAIN_SECONDS_RANGE: [number, number] = [1, 900];

const endpoint = z
  .string()
  .refine((text) => ['http:', 'https:'].includes(URL.parse(text)?.protocol ?? ''), 'is no address, such as http://127.0.0.1:4566')
  .optional();

export const bridgeVariables = z.object({
  ...natsVariables,
  NATS_URL: natsUrl,
  MANIFEST: z.string().default('serverless.yml'),
  STAGE: z
    .string()
    .regex(/^[A-Za-z0-9-]+$/, 'is no stage: letters, digits and -')
    .default('dev'),
  HTTP_HOST: z.string().default('127.0.0.1'),
  HTTP_PORT: port(8080),
  DRAIN_SECONDS: wholeNumber(25, DRAIN_SECONDS_RANGE, 'seconds'),
  LOG_LEVEL: logLevel,
  LOG_FORMAT: oneOf(['text', 'json'], 'text'),
  METRICS_EMF: oneOf(['on', 'off'], 'off'),
  AWS_ENDPOINT_URL: endpoint,
  AWS_ENDPOINT_URL_LAMBDA: endpoint,
});

export type BridgeSettings = z.infer<typeof bridgeVariables>;

export const HELP = `The bridge: takes messages from NATS, invokes AWS Lambda functions, publishes what they answer.

Settings are environment variables:
  NATS_URL      the NATS servers, divided by commas (needed; 2.12 or later, JetStream)
${NATS_HELP}
  MANIFEST      what declares the functions: the path of a serverless.yml or of what osls has
                compiled of it, or that itself (serverless.yml)
  STAGE         functions without a target are called <service>-<stage>-<name> (dev)
  HTTP_HOST     address of /healthz, /readyz and /metrics (127.0.0.1)
  HTTP_PORT     and its port (8080; 0: any free one)
  DRAIN_SECONDS what is in flight may take so long after SIGTERM (25; 1 to 900)
  LOG_LEVEL     debug, info, warn or error (info)
  LOG_FORMAT    text or json (text)
  METRICS_EMF   on: metrics as CloudWatch's embedded format in the log, too (off)
  AWS_REGION    region of the functions (needed, unless a profile or an endpoint says it)
  AWS_ENDPOINT_URL_LAMBDA, AWS_ENDPOINT_URL
                whatever else answers the Lambda API
  OTEL_EXPORTER_OTLP_ENDPOINT
                where spans go, and its kin as every OpenTelemetry SDK reads them (none)
Credentials for AWS are found as every AWS SDK finds them.

SIGTERM and SIGINT finish what is in flight; a second one ends the bridge at once.`;

const regionMistakes = async (environment: Environment): Promise<string[]> => {
  if (environment.AWS_REGION || 'endpoint' in ownEndpoint('LAMBDA', withoutEmpty(environment))) return [];
  return new LambdaClient().config.region().then(
    () => [],
    () => ['AWS_REGION: is needed: the region of the functions, such as eu-west-1'],
  );
};

const manifestOf = async (path: string): Promise<{ manifest?: Manifest; mistakes: string[] }> => {
  try {
    const manifest = await readManifest(path);
    const nameless = manifest.service === undefined && manifest.functions.some(({ target }) => target === undefined);
    return {
      manifest,
      mistakes: nameless ? [`${path} has no service: functions are called by it, so name it, or give each a target`] : [],
    };
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    return { mistakes: [error.message] };
  }
};

/** `prefix` comes before the names of functions without a target. Rejects with a SettingsError that lists all mistakes. */
export const readBridgeSettings = async (
  environment: Environment,
): Promise<{ settings: BridgeSettings; manifest: Manifest; prefix: string }> => {
  const checked = checkEnvironment(bridgeVariables, environment);
  const { manifest, mistakes } = await manifestOf(environment.MANIFEST || bridgeVariables.shape.MANIFEST.parse(undefined));
  const wrong = [...checked.mistakes, ...natsConflicts(environment), ...(await regionMistakes(environment))];
  const sentences = [...(wrong.length > 0 ? [`the environment is wrong: ${wrong.join('; ')}`] : []), ...mistakes];
  if (!checked.settings || !manifest || sentences.length > 0) throw new SettingsError(sentences.join('\n'));
  const prefix = manifest.service === undefined ? '' : `${manifest.service}-${checked.settings.STAGE}-`;
  return { settings: checked.settings, manifest, prefix };
};
