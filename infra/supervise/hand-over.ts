/** What the control plane knows of an agent's last run, for the next one: in its environment, or in a file where it is large. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Characters. One variable may have 128 KB on Linux, and all share what a stack holds. */
const MOST = 32_768;

export type HandOver = { env: Record<string, string>; remove(): void };

const NOTHING: HandOver = { env: {}, remove: () => undefined };

export const handOver = (lastKnown: unknown): HandOver => {
  if (lastKnown === undefined) return NOTHING;
  const json = JSON.stringify(lastKnown);
  if (json.length <= MOST) return { ...NOTHING, env: { LAST_KNOWN: json } };
  const folder = mkdtempSync(join(tmpdir(), 'mistersmith-last-known-'));
  const file = join(folder, 'last-known.json');
  writeFileSync(file, json, { mode: 0o600 });
  return { env: { LAST_KNOWN_FILE: file }, remove: () => rmSync(folder, { recursive: true, force: true }) };
};
