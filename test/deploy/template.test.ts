/** What is deployed to AWS besides the functions: that it holds together, grants no more than it must, and tells no secret. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parameterMistakes } from '#infra/aws/parameters.ts';
import { bridgeVariables } from '#infra/bridge/bridge-settings.ts';
import { readManifest } from '#infra/bridge/manifest/read-manifest.ts';
import { TTL_ATTRIBUTE, tableDefinition } from '#shared/table/definition.ts';
import { parseDockerfile } from '#test/support/dockerfile.ts';
import { ACCOUNT, synthesise } from '#test/support/template.ts';

type Tree = Record<string, unknown>;

const template = await synthesise('prod');
const manifest = await readManifest('serverless.yml');
const { Resources, Parameters = {} } = template;
const propertiesOf = (id: string) => Resources[id]?.Properties as Tree;
const ofType = (type: string) => Object.values(Resources).filter(({ Type }) => Type === type);

/** Every value at a key of this name, wherever it is. */
const found = (node: unknown, key: string): unknown[] => {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([name, value]) => (name === key ? [value] : found(value, key)));
};
const inText = (text: string): string[] => [...text.matchAll(/\$\{([\w:]+)(?:\.\w+)?\}/g)].map(([, name = '']) => name);

describe('the template', () => {
  it('names only what is in it', () => {
    const named = [
      ...found(template, 'Ref'),
      ...found(template, 'Fn::GetAtt').map((value) => (value as string[])[0]),
      ...found(template, 'Fn::Sub').flatMap((value) => inText(value as string)),
      ...found(template, 'DependsOn'),
    ].filter((name) => !String(name).startsWith('AWS::'));
    expect(named.filter((name) => !(String(name) in Resources) && !(String(name) in Parameters))).toEqual([]);
    const conditions = found(template, 'Fn::If').map((value) => (value as string[])[0] ?? '');
    expect([...new Set(conditions)].toSorted()).toEqual(Object.keys(template.Conditions).toSorted());
  });

  it('asks for no wildcard but the one that ECR demands', () => {
    const statements = found(Resources, 'Statement').flat() as Tree[];
    const wide = statements.filter(({ Action, Resource }) => JSON.stringify([Action, Resource ?? '']).includes('*'));
    expect(wide).toEqual([{ Effect: 'Allow', Action: 'ecr:GetAuthorizationToken', Resource: '*' }]);
  });

  it('holds no secret: what is one comes by its ARN', () => {
    expect(JSON.stringify(template)).not.toMatch(/-----BEGIN|eyJ|\bS[AOUCN][A-Z2-7]{56}\b|password/i);
    const { ContainerDefinitions } = propertiesOf('BridgeTask') as { ContainerDefinitions: Tree[] };
    const secrets = (found(ContainerDefinitions, 'ValueFrom') as { Ref: string }[]).map(({ Ref }) => Ref);
    expect(secrets).toEqual(['NatsCreds', 'NatsCa', 'NatsCert', 'NatsKey']);
    expect(secrets.map((name) => Parameters[name]?.AllowedPattern)).toEqual(secrets.map(() => expect.stringContaining('^arn:aws')));
  });

  it('lends its roles to this account only', () => {
    const trusts = found(Resources, 'AssumeRolePolicyDocument') as { Statement: Tree[] }[];
    const Condition = { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } };
    expect(trusts.flatMap(({ Statement }) => Statement)).toEqual([
      expect.objectContaining({ Condition }),
      expect.objectContaining({ Condition }),
    ]);
  });

  it('keeps every log for a time that the stage says', () => {
    const logGroups = ofType('AWS::Logs::LogGroup').map(({ Properties }) => Properties.RetentionInDays);
    expect(logGroups).toEqual([90]);
  });

  it('is larger by no resource where the bridge is elsewhere', async () => {
    const { addResources } = await import('#infra/aws/add-resources.ts');
    const { Table } = Resources as { Table: (typeof Resources)[string] };
    const small = { Resources: { Table } };
    addResources(small, { functions: [] }, 'mistersmith-local');
    expect(small).toEqual({ Resources: { Table } });
  });
});

describe('the table', () => {
  it('has the keys and indexes of the code', () => {
    const { BillingMode, AttributeDefinitions, KeySchema, GlobalSecondaryIndexes } = propertiesOf('Table');
    expect({ BillingMode, AttributeDefinitions, KeySchema, GlobalSecondaryIndexes }).toEqual(tableDefinition);
    expect(propertiesOf('Table')).toMatchObject({ TimeToLiveSpecification: { AttributeName: TTL_ATTRIBUTE, Enabled: true } });
  });

  it('can be restored to any second, is encrypted, and has a stream', () => {
    expect(propertiesOf('Table')).toMatchObject({
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      SSESpecification: { SSEEnabled: true },
      StreamSpecification: { StreamViewType: 'NEW_AND_OLD_IMAGES' },
    });
  });

  it.each([
    ['dev', 'Delete', false],
    ['staging', 'Retain', true],
    ['prod', 'Retain', true],
    ['any-other', 'Retain', true],
  ])('of %s: when its stack goes, %s; protected: %s', async (stage, removal, DeletionProtectionEnabled) => {
    const { Table } = (await synthesise(stage)).Resources;
    expect(Table).toMatchObject({ DeletionPolicy: removal, UpdateReplacePolicy: removal, Properties: { DeletionProtectionEnabled } });
  });
});

describe('the bridge', () => {
  const task = propertiesOf('BridgeTask') as { ContainerDefinitions: [Tree] };
  const [container] = task.ContainerDefinitions;
  const environment = Object.fromEntries(
    (container.Environment as { Name: string; Value: unknown }[]).map(({ Name, Value }) => [Name, Value]),
  );

  it('may invoke its functions, and nothing else', () => {
    const statements = found(propertiesOf('BridgeInvokePolicy'), 'Statement').flat() as Tree[];
    const arn = `arn:\${AWS::Partition}:lambda:\${AWS::Region}:\${AWS::AccountId}:function:mistersmith-prod-`;
    const Resource = manifest.functions.map(({ name }) => ({ 'Fn::Sub': `${arn}${name}` }));
    expect(statements).toEqual([{ Effect: 'Allow', Action: 'lambda:InvokeFunction', Resource }]);
    expect(propertiesOf('BridgeTaskRole')).not.toHaveProperty('Policies');
  });

  it('is two tasks on arm64 that nobody calls, as a user without rights on files that nobody writes', () => {
    expect(propertiesOf('BridgeService')).toMatchObject({ DesiredCount: 2, LaunchType: 'FARGATE' });
    expect(task).toMatchObject({ RuntimePlatform: { CpuArchitecture: 'ARM64' } });
    expect(container).toMatchObject({ User: 'node', ReadonlyRootFilesystem: true, LinuxParameters: { Capabilities: { Drop: ['ALL'] } } });
    const group = propertiesOf('BridgeSecurityGroup');
    expect([group.SecurityGroupIngress, found(group.SecurityGroupEgress, 'FromPort')]).toEqual([undefined, [{ Ref: 'NatsPort' }, 443]]);
  });

  it('is replaced task by task, each with time to finish, and brought back where the new one does not come up', () => {
    const { DeploymentConfiguration } = propertiesOf('BridgeService');
    const DeploymentCircuitBreaker = { Enable: true, Rollback: true };
    expect(DeploymentConfiguration).toEqual({ MinimumHealthyPercent: 100, MaximumPercent: 200, DeploymentCircuitBreaker });
    expect(container.StopTimeout).toBeGreaterThan(Number(environment.DRAIN_SECONDS));
    expect(container.StopTimeout).toBeLessThanOrEqual(120);
  });

  it('is healthy where the image says so', () => {
    const dockerfile = parseDockerfile(readFileSync(new URL('../../infra/bridge/Dockerfile', import.meta.url), 'utf8'));
    const { args = '' } = dockerfile.find(({ name }) => name === 'HEALTHCHECK') ?? {};
    const command = JSON.parse(args.slice(args.indexOf('['))) as string[];
    expect(container.HealthCheck).toMatchObject({ Command: ['CMD', ...command], Interval: 10, Timeout: 3, StartPeriod: 120 });
  });

  it('gets settings that it knows, and its manifest', () => {
    const secrets = found(container.Secrets, 'Name');
    const unknown = [...Object.keys(environment), ...secrets].filter((name) => !(String(name) in bridgeVariables.shape));
    expect(unknown).toEqual(['AWS_REGION']);
    expect(Object.keys(environment)).toContain('MANIFEST');
    expect(environment).toMatchObject({ STAGE: 'prod', NATS_INBOX: '_INBOX.bridge' });
  });
});

describe('parameters', () => {
  it('that are all right are not talked about', () => {
    expect(parameterMistakes(template)).toEqual([]);
  });

  it('that are missing are named, each in a sentence', async () => {
    const mistakes = parameterMistakes(await synthesise('prod', {}));
    expect(mistakes.map((sentence) => sentence.split(' ')[0])).toEqual(['vpcId', 'subnetIds', 'natsUrl', 'natsCreds', 'bridgeTag']);
    expect(mistakes[0]).toBe(
      'vpcId must be the id of the VPC that the bridge runs in, such as vpc-0123456789abcdef0: give it as --param vpcId=... or in infra/aws/stages.yml',
    );
  });

  it.each([
    ['vpcId', 'subnet-0123456789abcdef0'],
    ['subnetIds', 'subnet-0123456789abcdef0,none'],
    ['subnetIds', 'subnet-0123456789abcdef0'],
    ['natsUrl', 'nats://me:hunter2@one:4222'],
    ['natsPort', 70_000],
    ['natsCreds', '-----BEGIN NATS USER JWT-----hunter2'],
    ['natsCa', '/etc/ca.pem'],
    ['bridgeRepository', 'https://somewhere.else/bridge'],
    ['bridgeTag', 'bridge:1'],
    ['alarmTopic', 'me@example.com'],
  ])('that are wrong are named without their value: %s', async (name, value) => {
    const [mistake = '', ...others] = parameterMistakes(await synthesise('prod', { ...ACCOUNT, [name]: value }));
    expect([mistake.startsWith(`${name} must be `), others]).toEqual([true, []]);
    expect(mistake).not.toContain(String(value));
  });
});
