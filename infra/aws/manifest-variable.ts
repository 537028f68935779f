/**
 * How the manifest reaches the bridge's container: whole, as JSON, in the variable `MANIFEST` of the task definition. So a
 * change of a binding is a new task definition, which rolls out and back like any other.
 */
import { compileManifest } from '../bridge/manifest/compiled-manifest.ts';
import type { Manifest } from '../bridge/manifest/manifest.ts';

/** A task definition has 64 KB, for everything. */
const MOST_BYTES = 48_000;

/** As `ContainerDefinitions[].Environment` takes it. Throws an error of one sentence where it is too large. */
export const manifestVariable = (manifest: Manifest): { Name: 'MANIFEST'; Value: string } => {
  const Value = compileManifest(manifest);
  const bytes = Buffer.byteLength(Value);
  if (bytes > MOST_BYTES)
    throw new Error(`the bridge's manifest has ${bytes} bytes, a task definition has room for ${MOST_BYTES}: split the service in two`);
  return { Name: 'MANIFEST', Value };
};
