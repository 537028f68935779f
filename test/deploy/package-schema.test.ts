/** The schema that editors read, and the lists of what functions read: held against the code. */
import { readdirSync, readFileSync } from 'node:fs';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { natsEventSchema } from '#infra/bridge/manifest/nats-event.ts';
import { natsEventJsonSchema, serverlessJsonSchema } from '#infra/serverless/event-schema.ts';
import { tableAccess } from '#infra/serverless/table-access.ts';

type Property = { description?: string };

describe('the schema of the nats event', () => {
  it('is what editors complete from: npm run schema writes it', () => {
    const written = readFileSync('infra/serverless/serverless.schema.json', 'utf8');
    expect(JSON.parse(written)).toEqual(serverlessJsonSchema);
  });

  it('describes every field', () => {
    const properties = natsEventJsonSchema.properties as Record<string, Property>;
    expect(Object.keys(properties)).toEqual(Object.keys(natsEventSchema.shape));
    expect(Object.entries(properties).filter(([, { description }]) => !description)).toEqual([]);
  });
});

const sources = ['functions', 'shared'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).flatMap((path) => (path.endsWith('.ts') ? [`${folder}/${path}`] : [])),
);
const root = new URL('../../', import.meta.url);
const declared = await Promise.all(
  sources
    .filter((path) => /^export const \w+Kind\b/m.test(readFileSync(path, 'utf8')))
    .map(async (path) => Object.entries((await import(new URL(path, root).href)) as Record<string, { kind?: string }>)),
);
const constants = declared
  .flat()
  .flatMap(([name, { kind }]) => (name.endsWith('Kind') && kind !== undefined ? [[name, kind] as const] : []));
const kinds = new Map(constants);

/** `readPage` looks up and loads: the one is in its own code, the kind that it loads stands where it is called. */
const PAGES = /\breadPage\(\s*reader,\s*(\w+Kind)/g;

/** The calls of a Reader in all code that ends up in the function's bundle. */
const readsOf = async (name: string) => {
  const { metafile } = await build({
    entryPoints: [`functions/${name}/handler.ts`],
    bundle: true,
    write: false,
    outfile: 'handler.js',
    metafile: true,
    platform: 'node',
    packages: 'external',
  });
  const inputs = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs));
  const code = inputs
    .flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 && sources.includes(path) ? readFileSync(path, 'utf8') : []))
    .join('\n');
  const pages = [...code.matchAll(PAGES)].map(([, kind = '']) => ({ call: 'load', kind: kinds.get(kind) }));
  const calls = [...code.matchAll(/\breader\.(load|children|lookup|overdue)\(\s*(\w+Kind)?/g)].map(([, call = '', kind = '']) => ({
    call,
    kind: kinds.get(kind),
  }));
  return [...calls, ...pages];
};

it('no two kinds have constants of one name', () => {
  const names = constants.map(([name]) => name);
  expect(names.filter((name, n) => names.indexOf(name) !== n)).toEqual([]);
});

describe.each(readdirSync('functions'))('the table access of %s', (name) => {
  it('is what its code reads, and nothing more', async () => {
    const reads = await readsOf(name);
    const { owns, ...access } = tableAccess(name) ?? { owns: [], reads: [], children: [], indexes: [] };
    const foreign = (wanted: string) => reads.flatMap(({ call, kind }) => (call === wanted && kind && !owns.includes(kind) ? [kind] : []));
    const indexes = reads.flatMap(({ call }) => (call === 'lookup' ? ['lookup'] : call === 'overdue' ? ['sweep'] : []));
    expect(access).toEqual({
      reads: [...new Set(foreign('load'))].toSorted(),
      children: [...new Set(foreign('children'))].toSorted(),
      indexes: [...new Set(indexes)].toSorted(),
    });
  });
});
