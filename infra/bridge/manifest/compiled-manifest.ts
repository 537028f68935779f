/**
 * The manifest as a deployment hands it to the bridge: what `serverless.yml` says, resolved for a stage, with the names of
 * the deployed functions. Their code and environment are not the bridge's business, so they are not in it.
 */
import type { FunctionEntry, Manifest } from './manifest.ts';

const VERSION = 1;

/** JSON in a line. */
export const compileManifest = ({ service, functions }: Manifest): string =>
  JSON.stringify({
    bridge_manifest: VERSION,
    ...(service && { service }),
    functions: functions.map(({ handler, environment, ...entry }) => entry),
  });

/** Undefined: it is no compiled manifest. Throws an error of one sentence where it is one of another version. */
export const readCompiled = (document: unknown): Manifest | undefined => {
  const { bridge_manifest: version, ...manifest } = (document ?? {}) as { bridge_manifest?: number } & Manifest;
  if (version === undefined) return undefined;
  if (version !== VERSION)
    throw new Error(`it is a compiled manifest of version ${version}, this bridge reads ${VERSION}: deploy it together with its bridge`);
  return { ...manifest, functions: manifest.functions.map((entry: FunctionEntry) => ({ ...entry, environment: {} })) };
};
