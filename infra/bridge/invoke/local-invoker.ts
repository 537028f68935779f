/** Calls functions in this process: what a Lambda would be, on a laptop and in tests. */
import { randomUUID } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import type { Batch } from '#shared/contract.ts';
import type { FunctionEntry, Manifest } from '../manifest/manifest.ts';
import { ManifestError } from '../manifest/read-manifest.ts';
import { InvokeError, type Invoker } from '../ports/ports.ts';
import { callStreamed, provideStreaming } from './response-stream.ts';

export type LocalHandler = (batch: Batch, context: { awsRequestId: string; functionName: string }) => Promise<unknown>;

/** Functions by name, each behind the error kinds of a remote one. */
export const handlerInvoker = (handlers: ReadonlyMap<string, LocalHandler>): Invoker => {
  const handlerOf = (functionName: string): LocalHandler => {
    const handler = handlers.get(functionName);
    if (!handler) throw new InvokeError('unreachable', `there is no function ${functionName} in this process`);
    return handler;
  };
  const contextOf = (functionName: string) => ({ awsRequestId: randomUUID(), functionName });
  return {
    invoke: async (functionName, batch) => {
      const handler = handlerOf(functionName);
      try {
        return await handler(batch, contextOf(functionName));
      } catch (error) {
        throw thrown(functionName, error);
      }
    },
    async *invokeStreamed(functionName, batch) {
      const handler = handlerOf(functionName);
      try {
        yield* callStreamed(handler, batch, contextOf(functionName));
      } catch (error) {
        throw thrown(functionName, error);
      }
    },
  };
};

const thrown = (functionName: string, error: unknown): InvokeError =>
  new InvokeError('function_error', `${functionName} threw: ${error instanceof Error ? error.message : String(error)}`, { cause: error });

const importHandler = async ({ name, handler }: FunctionEntry): Promise<LocalHandler> => {
  if (!handler) throw new ManifestError(`functions.${name}: a compiled manifest names no code to run here: read serverless.yml`);
  const module = (await import(pathToFileURL(handler.module).href).catch((error: Error) => {
    throw new ManifestError(`functions.${name}.handler: ${handler.module} cannot be loaded: ${error.message}`);
  })) as Record<string, unknown>;
  const exported = module[handler.export];
  if (typeof exported !== 'function')
    throw new ManifestError(`functions.${name}.handler: ${handler.module} exports no function "${handler.export}"`);
  return exported as LocalHandler;
};

/** One process has one environment: functions that want different values of one variable cannot share it. */
const mergeEnvironments = (functions: readonly FunctionEntry[]): Record<string, string> => {
  const merged: Record<string, string> = {};
  for (const fn of functions)
    for (const [name, value] of Object.entries(fn.environment)) {
      if (merged[name] !== undefined && merged[name] !== value)
        throw new ManifestError(
          `functions.${fn.name}.environment.${name}: another function sets it to "${merged[name]}": give it a name of its own`,
        );
      merged[name] = value;
    }
  return merged;
};

/** Imports every handler of the manifest. Variables that are set already win over the manifest's. Throws a ManifestError. */
export const localInvoker = async (manifest: Manifest): Promise<Invoker> => {
  for (const [name, value] of Object.entries(mergeEnvironments(manifest.functions))) process.env[name] ??= value;
  provideStreaming();
  const handlers = await Promise.all(manifest.functions.map(async (fn) => [fn.name, await importHandler(fn)] as const));
  return handlerInvoker(new Map(handlers));
};
