/**
 * osls, as the npm scripts run it: what it and its plugins keep or leave behind stays in the project. It sends nothing to
 * anybody but the AWS API, and `package` needs no network at all. It is not loaded where no region is set.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  strict: false,
  options: { region: { type: 'string', short: 'r' }, help: { type: 'boolean', short: 'h' }, version: { type: 'boolean', short: 'v' } },
});
const informs = values.help || values.version || positionals.length === 0 || positionals[0] === 'help';
if (!informs && !values.region && !process.env.AWS_REGION) {
  console.error('there is no AWS region: set AWS_REGION, or give --region eu-west-1');
  process.exit(1);
}

const own = resolve('.mistersmith');
mkdirSync(own, { recursive: true });
const temporary = mkdtempSync(join(own, 'osls-'));
process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));
for (const [signal, code] of [
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => process.exit(code));
process.env.TMPDIR = temporary;
process.env.SLS_SCHEMA_CACHE_BASE_DIR ??= own;

await import(import.meta.resolve('osls/bin/serverless.js'));
