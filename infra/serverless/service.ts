/** What the plugins here know of osls, and what a deployment is called. */
import type { DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import type { Template } from '../aws/template.ts';
import type { Manifest } from '../bridge/manifest/manifest.ts';
import { toManifest } from '../bridge/manifest/read-manifest.ts';

type JsonSchema = Record<string, unknown>;

export type DeployedFunction = {
  name: string;
  handler: string;
  environment?: Record<string, string>;
  /** A logical id or an ARN. */
  role?: unknown;
  package?: { patterns?: string[] };
};

/** The part of osls' `Serverless` that is in use. */
export type Serverless = {
  serviceDir: string;
  classes: { Error: new (message: string, code: string) => Error };
  service: {
    service: string;
    custom?: { nats?: unknown };
    provider: {
      environment?: Record<string, string>;
      compiledCloudFormationTemplate: Template;
    };
    functions: Record<string, DeployedFunction>;
    /** Put together of all files that `serverless.yml` names. */
    resources?: Pick<Template, 'Parameters'>;
  };
  configSchemaHandler: {
    defineFunctionEvent(provider: string, name: string, schema: JsonSchema): void;
    defineCustomProperties(schema: { properties: JsonSchema }): void;
  };
  getProvider(name: 'aws'): {
    getStage(): string;
    /** Region, credentials and endpoint for a client of the AWS SDK. */
    getAwsSdkV3Config(): Promise<DynamoDBClientConfig>;
    naming: { getNormalizedFunctionName(name: string): string; getLogGroupLogicalId(name: string): string };
  };
};

/** `<service>-<stage>`, before the names of functions too. */
export const deploymentName = (serverless: Serverless): string =>
  `${serverless.service.service}-${serverless.getProvider('aws').getStage()}`;

/** The table has the deployment's name. */
export const tableNameOf = deploymentName;

/** As `serverless.yml` is resolved for this stage, with the functions' names at AWS as targets. Throws a ManifestError. */
export const serviceManifest = ({ service }: Serverless): Manifest =>
  toManifest(
    { service: service.service, custom: { nats: service.custom?.nats }, provider: service.provider, functions: service.functions },
    'serverless.yml',
  );
