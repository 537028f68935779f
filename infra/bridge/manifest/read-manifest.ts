/**
 * Reads the bindings of the functions from `serverless.yml` (their `nats` events), so that a function is declared once.
 * Every mistake is reported, each with the place where it is.
 */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import * as z from 'zod';
import { readCompiled } from './compiled-manifest.ts';
import type { Binding, FunctionEntry, GroupBy, Manifest, SourceSpec } from './manifest.ts';
import { type NatsEvent, natsEventSchema } from './nats-event.ts';

export class ManifestError extends Error {
  override name = 'ManifestError';
}

const seconds = z.number().int().min(1).max(900);
const environment = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String)).default({});

/** Names at AWS: a function's own name, `<name>:<alias or version>` or an ARN. */
const targets = z.record(z.string(), z.string().min(1)).default({});

const serverlessSchema = z.looseObject({
  service: z.string().optional(),
  custom: z.looseObject({ nats: z.looseObject({ targets }).prefault({}) }).prefault({}),
  provider: z.looseObject({ timeout: seconds.default(6), environment }),
  functions: z.record(
    z.string().regex(/^[a-z][a-z0-9-]*$/, 'a function name has lower case letters, digits and -'),
    z.looseObject({
      handler: z.string().regex(/^[\w./-]+\.\w+$/, 'is not <path of a module>.<name of its export>'),
      name: z.string().optional(),
      description: z.string().optional(),
      timeout: seconds.optional(),
      environment,
      events: z.array(z.looseObject({ nats: natsEventSchema.optional() })).default([]),
    }),
  ),
});

const toGroupBy = (text: string | undefined): GroupBy => {
  if (text === undefined) return undefined;
  if (!/^\$\d+(-\$\d+)*$/.test(text)) return { field: text };
  return { tokens: text.split('-').map((token) => Number(token.slice(1))) };
};

const toSource = (event: NatsEvent): SourceSpec => {
  if (event.stream !== undefined) return { kind: 'jetstream', stream: event.stream, subjects: event.subjects ?? [] };
  if (event.core) return { kind: 'core', subjects: event.core, ...(event.fold && { fold: event.fold }) };
  return { kind: 'request', subjects: event.request ?? [] };
};

const toBinding = (functionName: string, event: NatsEvent): Binding => ({
  name: `${functionName}.${event.name ?? 'events'}`,
  function: functionName,
  source: toSource(event),
  // A stream of an answer is the answer to one request.
  batchSize: event.streamed ? 1 : event.batchSize,
  batchWindow: event.batchWindow,
  groupBy: toGroupBy(event.groupBy),
  ...(event.ordered && { ordered: true as const }),
  ...(event.start && { start: event.start }),
  ...(event.streamed && { streamed: true as const }),
  ...(event.partition && { partition: event.partition }),
  ...(event.filter && { filter: event.filter }),
  retry: event.retry,
});

/** `${env:NAME, 'default'}` of the Serverless variables: the one that decides what runs on this machine. Others stay as they are. */
const resolveVariables = (value: unknown, environment: NodeJS.ProcessEnv): unknown => {
  if (typeof value === 'string')
    return value.replace(/\$\{env:(\w+)(?:\s*,\s*'?([^'}]*)'?)?\}/g, (_, name: string, fallback = '') => environment[name] ?? fallback);
  if (Array.isArray(value)) return value.map((item) => resolveVariables(item, environment));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolveVariables(item, environment)]));
};

/** Checks a serverless.yml that is read and resolved. Throws a ManifestError that lists all mistakes. */
export const toManifest = (document: unknown, path: string): Manifest => {
  const parsed = serverlessSchema.safeParse(document);
  if (!parsed.success) {
    const mistakes = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`);
    throw new ManifestError(`${path} is wrong: ${mistakes.join('; ')}`);
  }
  const { service, provider, functions, custom } = parsed.data;
  const { targets } = custom.nats;
  const mistakes = Object.keys(targets).flatMap((name) =>
    functions[name] ? [] : [`custom.nats.targets.${name}: there is no such function`],
  );
  const entries = Object.entries(functions).map(([name, fn]): FunctionEntry => {
    const events = fn.events.flatMap(({ nats }) => nats ?? []);
    const bindings = events.filter((event) => event.schedule === undefined).map((event) => toBinding(name, event));
    const names = bindings.map((binding) => binding.name);
    const twice = names.find((binding, n) => names.indexOf(binding) !== n);
    if (twice) mistakes.push(`functions.${name}: two nats events are named ${twice.slice(name.length + 1)}: give each a name of its own`);
    const dot = fn.handler.lastIndexOf('.');
    const target = targets[name] ?? fn.name;
    return {
      name,
      handler: { module: resolve(dirname(path), `${fn.handler.slice(0, dot)}.ts`), export: fn.handler.slice(dot + 1) },
      ...(fn.description && { description: fn.description }),
      ...(target && { target }),
      timeout: (fn.timeout ?? provider.timeout) * 1000,
      concurrency: Math.max(1, ...events.map((event) => event.concurrency)),
      environment: { ...provider.environment, ...fn.environment },
      publishes: [...new Set(events.flatMap((event) => event.publishes ?? []))],
      own: events.some((event) => event.own),
      bindings,
      schedules: events.flatMap(({ name = '', schedule }) => (schedule === undefined ? [] : [{ name, every: schedule * 1000 }])),
    };
  });
  if (mistakes.length > 0) throw new ManifestError(`${path} is wrong: ${mistakes.join('; ')}`);
  return { ...(service && { service }), functions: entries };
};

/** Checks the text of a serverless.yml, or of a compiled manifest. Throws a ManifestError that lists all mistakes. */
export const parseManifest = (text: string, path: string): Manifest => {
  let document: unknown;
  try {
    document = resolveVariables(parseYaml(text), process.env);
  } catch (error) {
    throw new ManifestError(`${path} is not YAML: ${String((error as Error).message).split('\n')[0]}`);
  }
  try {
    return readCompiled(document) ?? toManifest(document, path);
  } catch (error) {
    throw error instanceof ManifestError ? error : new ManifestError(`${path} cannot be used: ${(error as Error).message}`);
  }
};

/** From a file, or from the text of a compiled manifest itself. */
export const readManifest = async (pathOrJson: string): Promise<Manifest> => {
  if (pathOrJson.startsWith('{')) return parseManifest(pathOrJson, 'the manifest');
  const text = await readFile(pathOrJson, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ManifestError(`${pathOrJson} cannot be read (${error.code}): run this in the project's folder`);
  });
  return parseManifest(text, pathOrJson);
};
