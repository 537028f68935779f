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
const kinds = new Map(
  sources.flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/const (\w+Kind)\b[^=]*= \{\s*kind: '([\w-]+)'/g)].map(
      ([, name = '', kind = '']) => [name, kind] as const,
    ),
  ),
);

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
  return [...code.matchAll(/\breader\.(load|children|lookup|overdue)\(\s*(\w+Kind)?/g)].map(([, call = '', kind = '']) => ({
    call,
    kind: kinds.get(kind),
  }));
};

describe.each(readdirSync('functions'))('the table access of %s', (name) => {
  it('is what its code reads, and nothing more', async () => {
    const reads = await readsOf(name);
    const access = tableAccess(name);
    const foreign = reads.flatMap(({ call, kind }) => (call !== 'lookup' && kind && !access?.owns.includes(kind) ? [kind] : []));
    const indexes = reads.flatMap(({ call }) => (call === 'lookup' ? ['lookup'] : call === 'overdue' ? ['sweep'] : []));
    expect({ reads: access?.reads, indexes: access?.indexes }).toEqual({
      reads: [...new Set(foreign)].toSorted(),
      indexes: [...new Set(indexes)].toSorted(),
    });
  });
});
