/**
 * The osls plugin that teaches `serverless.yml` the `nats` event: refuses what cannot work before anything is built, gives
 * each function a role of its own and the table's name, compiles the bridge's manifest to `.serverless/bridge.json`, and adds
 * to the template what follows from the functions.
 */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { addResources } from '../aws/add-resources.ts';
import { checkAccount } from '../aws/check-account.ts';
import { parameterMistakes } from '../aws/parameters.ts';
import { compileManifest } from '../bridge/manifest/compiled-manifest.ts';
import type { Manifest } from '../bridge/manifest/manifest.ts';
import { bundlesIn } from './bundles.ts';
import { moduleMistakes, packageMistakes } from './checks.ts';
import { customNatsJsonSchema, natsEventJsonSchema } from './event-schema.ts';
import { functionRole } from './function-role.ts';
import { knownStreams } from './known-streams.ts';
import { deploymentName, type Serverless, serviceManifest, tableNameOf } from './service.ts';
import { tableAccess } from './table-access.ts';

export default class NatsPlugin {
  readonly hooks: Record<string, () => void | Promise<void>>;

  constructor(serverless: Serverless) {
    serverless.configSchemaHandler.defineFunctionEvent('aws', 'nats', natsEventJsonSchema);
    serverless.configSchemaHandler.defineCustomProperties({ properties: { nats: customNatsJsonSchema } });
    this.hooks = {
      initialize: () => prepare(serverless),
      'before:package:cleanup': () => check(serverless),
      'package:initialize': () => addRoles(serverless),
      'after:package:createDeploymentArtifacts': () => keepBundles(serverless),
      'package:compileEvents': () => writeManifest(serverless),
      'before:deploy:deploy': () => lookAtAccount(serverless),
      'after:aws:package:finalize:mergeCustomProviderResources': () => addWhatFollows(serverless),
    };
  }
}

const roleOf = (serverless: Serverless, functionName: string): string =>
  `${serverless.getProvider('aws').naming.getNormalizedFunctionName(functionName)}Role`;

/** What somebody has set in `serverless.yml` stays. */
const prepare = (serverless: Serverless): void => {
  const { provider, functions } = serverless.service;
  provider.environment = { TABLE_NAME: tableNameOf(serverless), ...provider.environment };
  for (const [name, fn] of Object.entries(functions)) {
    fn.role ??= roleOf(serverless, name);
    fn.package = { ...fn.package, patterns: [...(fn.package?.patterns ?? []), '!**/*.map'] };
  }
};

const check = (serverless: Serverless): void => {
  const say = (sentences: string) => new serverless.classes.Error(sentences, 'NATS_EVENTS_WRONG');
  let manifest: Manifest;
  try {
    manifest = serviceManifest(serverless);
  } catch (error) {
    throw say((error as Error).message);
  }
  const { custom, resources } = serverless.service;
  const mistakes = [
    ...moduleMistakes(manifest, serverless.serviceDir),
    ...packageMistakes(manifest, knownStreams(custom?.nats)),
    ...parameterMistakes(resources ?? {}),
  ];
  if (mistakes.length > 0) throw say(`serverless.yml is wrong:\n  ${mistakes.join('\n  ')}`);
};

const addRoles = (serverless: Serverless): void => {
  const { functions, provider } = serverless.service;
  const { naming } = serverless.getProvider('aws');
  const tableName = tableNameOf(serverless);
  for (const [name, { role, environment }] of Object.entries(functions)) {
    if (role !== roleOf(serverless, name)) continue;
    const logGroup = naming.getLogGroupLogicalId(name);
    const resource = functionRole({ tableName, access: tableAccess(name), logGroup, topic: environment?.NOTIFY_SNS_TOPIC_ARN });
    provider.compiledCloudFormationTemplate.Resources[role] = resource;
  }
};

/** What was zipped, with the source maps: those are six times as large as the code, so they stay with whoever deploys. */
const keepBundles = async ({ serviceDir }: Serverless): Promise<void> => {
  const bundles = bundlesIn(serviceDir);
  await cp(join(serviceDir, '.esbuild', '.build', 'functions'), bundles, { recursive: true });
  await writeFile(join(bundles, 'package.json'), '{"type":"commonjs"}\n');
};

const writeManifest = async (serverless: Serverless): Promise<void> => {
  const folder = join(serverless.serviceDir, '.serverless');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'bridge.json'), `${compileManifest(serviceManifest(serverless))}\n`);
};

const lookAtAccount = async (serverless: Serverless): Promise<void> => {
  const client = new DynamoDBClient(await serverless.getProvider('aws').getAwsSdkV3Config());
  await checkAccount(client, tableNameOf(serverless)).catch((error: Error) => {
    throw new serverless.classes.Error(error.message, 'ACCOUNT_CANNOT_BE_USED');
  });
};

const addWhatFollows = (serverless: Serverless): void =>
  addResources(serverless.service.provider.compiledCloudFormationTemplate, serviceManifest(serverless), deploymentName(serverless));
