/** The CloudFormation template of a deployment, put together as the plugin does, but without osls. */
import { readFileSync } from 'node:fs';
import { parse, type ScalarTag } from 'yaml';
import { addResources } from '#infra/aws/add-resources.ts';
import type { Template } from '#infra/aws/template.ts';
import { readManifest } from '#infra/bridge/manifest/read-manifest.ts';

type Params = Record<string, string | number | boolean>;

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** What a person gives beside infra/aws/stages.yml. */
export const ACCOUNT: Params = {
  vpcId: 'vpc-0123456789abcdef0',
  subnetIds: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1',
  natsUrl: 'tls://one:4222,tls://two:4222',
  natsCreds: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:mistersmith/bridge-AbCdEf',
  natsCa: 'arn:aws:ssm:us-east-1:123456789012:parameter/mistersmith/ca',
  bridgeTag: '1.0.0',
};

const single = (tag: string, intrinsic: string): ScalarTag => ({ tag, resolve: (value) => ({ [intrinsic]: value }) });
const getAtt: ScalarTag = { tag: '!GetAtt', resolve: (value) => ({ 'Fn::GetAtt': value.split('.') }) };
const sequence = (name: string) => ({
  tag: `!${name}`,
  collection: 'seq' as const,
  resolve: (value: { toJSON(): unknown }) => ({ [`Fn::${name}`]: value.toJSON() }),
});
const customTags = [single('!Ref', 'Ref'), single('!Sub', 'Fn::Sub'), getAtt, ...['If', 'Not', 'Equals', 'Split'].map(sequence)];

/** `${param:name, fallback}` alone is the value itself; `${self:service}` and `${sls:stage}` are text. */
const withVariables = (node: unknown, stage: string, params: Params): unknown => {
  if (Array.isArray(node)) return node.map((item) => withVariables(item, stage, params));
  if (typeof node === 'object' && node !== null)
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, withVariables(value, stage, params)]));
  if (typeof node !== 'string') return node;
  const [, name = '', fallback] = /^\$\{param:(\w+)(?:, (.*))?\}$/.exec(node) ?? [];
  if (name) return params[name] ?? parse(fallback ?? '');
  return node.replace(/\$\{self:service\}/g, 'mistersmith').replace(/\$\{sls:stage\}/g, stage);
};

export type WholeTemplate = Template & { Conditions: Record<string, unknown>; Outputs: Record<string, unknown> };

/** `given`: what is given with `--param`. */
export const synthesise = async (stage: string, given: Params = ACCOUNT): Promise<WholeTemplate> => {
  const stages = parse(read('infra/aws/stages.yml')) as Record<string, Params>;
  const params = { ...stages.default, ...stages[stage], ...given };
  const template = { Parameters: {}, Conditions: {}, Resources: {}, Outputs: {} };
  for (const file of ['table', 'bridge', 'alarms']) {
    const part = withVariables(parse(read(`infra/aws/${file}.yml`), { customTags }), stage, params) as Partial<WholeTemplate>;
    for (const section of Object.keys(part) as (keyof WholeTemplate)[]) Object.assign(template[section], part[section]);
  }
  addResources(template, await readManifest('serverless.yml'), `mistersmith-${stage}`);
  return template;
};
