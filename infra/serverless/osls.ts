/**
 * osls, as the npm scripts run it: what it and its plugins keep or leave behind stays in the project. It sends nothing to
 * anybody but the AWS API, and `package` needs no network at all.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

const own = resolve('.mistersmith');
mkdirSync(own, { recursive: true });
const temporary = mkdtempSync(join(own, 'osls-'));
process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));
process.env.TMPDIR = temporary;
process.env.SLS_SCHEMA_CACHE_BASE_DIR ??= own;

await import(import.meta.resolve('osls/bin/serverless.js'));
