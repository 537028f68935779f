/** `osls package` as anybody can run it: offline, without an account. What it makes is what is deployed. */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { manifestVariable } from '#infra/aws/manifest-variable.ts';
import { readManifest } from '#infra/bridge/manifest/read-manifest.ts';
import { BUDGET, type Bundle, readBundles } from '#infra/serverless/bundles.ts';
import { copyOfService, type Service } from '#test/support/osls.ts';
import { ACCOUNT } from '#test/support/template.ts';

// biome-ignore lint/suspicious/noExplicitAny: a template has as many shapes as there are services
type Resource = { Type: string; Properties: any; DependsOn?: string[] };

let service: Service;
let resources: Record<string, Resource>;
let bundles: Bundle[];
const inPackage = (file: string) => join(service.folder, '.serverless', file);
const ofType = (type: string) => Object.entries(resources).filter(([, { Type }]) => Type === type);
const functions = () => ofType('AWS::Lambda::Function');
const names = readdirSync('functions');
const given = Object.entries(ACCOUNT).flatMap(([name, value]) => ['--param', `${name}=${value}`]);

beforeAll(async () => {
  service = await copyOfService();
  const { code, output } = await service.osls('package', '--stage', 'prod', '--region', 'eu-west-1', ...given);
  expect(output).toContain('Service packaged');
  expect(code).toBe(0);
  const template = await readFile(inPackage('cloudformation-template-update-stack.json'), 'utf8');
  resources = JSON.parse(template).Resources;
  bundles = readBundles(service.folder);
}, 240_000);
afterAll(() => service.remove());

describe('what is deployed', () => {
  it('has a function each, on arm64 and Node 24, with the stage in its name', () => {
    const deployed = functions().map(([, { Properties }]) => [Properties.FunctionName, Properties.Runtime, Properties.Architectures]);
    expect(deployed.toSorted()).toEqual(names.map((name) => [`mistersmith-prod-${name}`, 'nodejs24.x', ['arm64']]).toSorted());
  });

  it('has the table of the stage in the environment of every function', () => {
    expect(functions().map(([, { Properties }]) => Properties.Environment.Variables.TABLE_NAME)).toEqual(
      names.map(() => 'mistersmith-prod'),
    );
  });

  it('forgets logs after a time', () => {
    const groups = ofType('AWS::Logs::LogGroup').filter(([, { Properties }]) => String(Properties.LogGroupName).startsWith('/aws/lambda/'));
    expect(groups.map(([, { Properties }]) => Properties.RetentionInDays)).toEqual(names.map(() => 90));
  });

  it('is open to nobody', () => {
    expect([...ofType('AWS::Lambda::Url'), ...ofType('AWS::Lambda::Permission')]).toEqual([]);
    const [bucket] = ofType('AWS::S3::Bucket').map(([, { Properties }]) => Properties.PublicAccessBlockConfiguration);
    expect(Object.values(bucket)).toEqual([true, true, true, true]);
    expect(JSON.stringify(resources)).not.toMatch(/"Effect":"Allow","Principal":("\*"|\{"AWS":"\*")/);
  });

  it('is one file a function, within the budget', () => {
    expect(bundles.map(({ name }) => name)).toEqual(names);
    expect(bundles.filter(({ bytes, zippedBytes }) => bytes > BUDGET.bytes || zippedBytes > BUDGET.bytes / 2)).toEqual([]);
  });

  it('exports the handlers', () => {
    const require = createRequire(import.meta.url);
    expect(bundles.map(({ file }) => typeof require(file).handler)).toEqual(names.map(() => 'function'));
  });

  it('keeps the source maps beside the code, not in it', async () => {
    const { file } = bundles.find(({ name }) => name === 'agent-registry') as Bundle;
    const map = JSON.parse(await readFile(`${file}.map`, 'utf8'));
    expect(map.sources.join()).toContain('functions/agent-registry/handler.ts');
    expect(await readFile(file, 'utf8')).not.toContain('sourceMappingURL');
  });
});

describe("a function's role", () => {
  const roleOf = (functionId: string): Resource => resources[resources[functionId]?.Properties.Role['Fn::GetAtt'][0]] as Resource;
  const statementsOf = (functionId: string) => roleOf(functionId).Properties.Policies[0].PolicyDocument.Statement;
  const all = () => functions().flatMap(([id]) => statementsOf(id));

  it('is its own', () => {
    const roles = functions().map(([, { Properties }]) => Properties.Role['Fn::GetAtt'][0]);
    expect(new Set(roles).size).toBe(names.length);
  });

  it('allows its log group, its own kinds, and to read those that it has to know', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as CloudFormation spells it
    const table = 'arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/mistersmith-prod';
    const keys = (...kinds: string[]) => ({ 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': kinds } });
    const write = ['BatchWriteItem', 'PartiQLInsert', 'PartiQLUpdate', 'PutItem', 'Query'].map((action) => `dynamodb:${action}`);
    expect(statementsOf('EscalationLambdaFunction')).toEqual([
      {
        Sid: 'Log',
        Effect: 'Allow',
        Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        Resource: [{ 'Fn::GetAtt': ['EscalationLogGroup', 'Arn'] }],
      },
      {
        Sid: 'Read',
        Effect: 'Allow',
        Action: ['dynamodb:BatchGetItem'],
        Resource: [{ 'Fn::Sub': table }],
        Condition: keys('escalation#*', 'agent#*', 'place#*', 'tree#*'),
      },
      { Sid: 'Write', Effect: 'Allow', Action: write, Resource: [{ 'Fn::Sub': table }], Condition: keys('escalation#*') },
      { Sid: 'Find', Effect: 'Allow', Action: ['dynamodb:Query'], Resource: [{ 'Fn::Sub': `${table}/index/lookup` }] },
    ]);
  });

  it('allows the children of others where it reads them', () => {
    const [statement, ...others] = all().filter(({ Sid }) => Sid === 'ReadChildren');
    expect([statement.Action, statement.Condition, others]).toEqual([
      ['dynamodb:Query'],
      { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['agent#*'] } },
      [],
    ]);
    expect(statementsOf('RecoveryDashcoordinatorLambdaFunction')).toContain(statement);
  });

  it('has no wildcard for an action or a resource, and nothing beside', () => {
    expect(all().length).toBeGreaterThan(names.length);
    for (const { Action, Resource } of all()) expect(JSON.stringify([Action, Resource])).not.toContain('*');
    const parts = functions().map(([id]) => [Object.keys(roleOf(id).Properties), roleOf(id).Properties.Policies.length]);
    expect(new Set(parts.map((one) => JSON.stringify(one)))).toEqual(new Set(['[["AssumeRolePolicyDocument","Policies"],1]']));
  });

  it('bounds every action on the table by keys; only queries of the indexes, which hold keys alone, are not', () => {
    const unbound = all().filter(({ Condition }) => !Condition);
    const resourcesOf = unbound.flatMap(({ Resource }) =>
      Resource.map((one: Record<string, string | string[]>) => one['Fn::Sub'] ?? one['Fn::GetAtt']?.[1]),
    );
    expect(new Set(resourcesOf.map((resource) => String(resource).replace(/.*\//, '')))).toEqual(new Set(['Arn', 'lookup', 'sweep']));
  });
});

describe('the manifest of the bridge', () => {
  it('is what serverless.yml says, with the names at AWS and without code and environment', async () => {
    const declared = await readManifest('serverless.yml');
    const functions = declared.functions.map(({ handler, ...entry }) => ({
      ...entry,
      target: `mistersmith-prod-${entry.name}`,
      environment: {},
    }));
    expect(await readManifest(inPackage('bridge.json'))).toEqual({ ...declared, functions });
  });

  it('fits the variable MANIFEST, and is read from there', async () => {
    const compiled = await readManifest(inPackage('bridge.json'));
    const { Name, Value } = manifestVariable(compiled);
    expect(Name).toBe('MANIFEST');
    expect(await readManifest(Value)).toEqual(compiled);
  });
});
