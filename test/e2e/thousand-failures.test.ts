/** A thousand agents that fail within a second, on a real server, a real table and all functions: what becomes of each, and what people get. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { failuresKind } from '#functions/failure-handler/decide.ts';
import { readerOf } from '#shared/entity/reader.ts';
import { dynamodbStore } from '#shared/table/dynamodb-store.ts';
import { crash, type Fate, obey, watch } from '#test/support/failing-fleet.ts';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 90_000, interval: 100 };

const idsOf = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${prefix}${n}`);
/** Supervisors of so many agents each. */
const familiesOf = (prefix: string, count: number, agents: number): [id: string, children: string[]][] =>
  idsOf(prefix, count).map((id) => [id, idsOf(`${id}-a`, agents)]);

const patient = familiesOf('patient', 40, 20);
/** The third restart is too many, and root does not restart them: people are called. */
const tight = familiesOf('tight', 8, 10);
/** The third restart is too many: the region restarts them all. */
const regional = familiesOf('regional', 2, 4);
/** Nobody declared them. */
const strangers = idsOf('stranger', 112);
const agentsOf = (families: typeof patient): string[] => families.flatMap(([, children]) => children);
const agents = [patient, tight, regional].flatMap(agentsOf).concat(strangers);

/** Not all of their starts go well. */
const lively = [...agentsOf(patient), ...strangers];
const silent = new Set(['stranger4', 'stranger40', 'stranger77']);
const fateOf = (agent: string): Fate => {
  if (silent.has(agent)) return 'silent';
  const n = lively.indexOf(agent);
  return n % 10 === 1 ? 'fails first' : n % 50 === 2 ? 'silent first' : 'starts';
};

let stack: Stack;
let fleet: Awaited<ReturnType<typeof watch>>;
let letters: unknown[];
let notifications: unknown[];

const ask = async (subject: string, body: object = {}) =>
  (await stack.nc.request(subject, JSON.stringify(body), { timeout: 10_000 })).json<Record<string, unknown>>();

beforeAll(async () => {
  stack = await setupStack({
    RECOVERY_ATTEMPT_MS: '3000',
    RECOVERY_BACKOFF_MS: '50',
    ALERT_GROUP_WAIT_MS: '1000',
    // A case stays where it is.
    ESCALATION_SUPERVISOR_MS: '600000',
    ESCALATION_DOMAIN_MS: '600000',
    ESCALATION_ROOT_MS: '600000',
  });
  const define = ([supervisor_id, children]: [string, string[]], intensity: number, more = {}) =>
    ask('control.supervisor.define', { supervisor_id, strategy: 'one_for_one', intensity, period_ms: 600_000, children, ...more });
  // Root restarts none of them: whoever has too many restarts is a case for people.
  await define(['root', []], 0);
  for (const family of patient) await define(family, 1000);
  for (const family of tight) await define(family, 2);
  await define(['region', []], 100);
  for (const family of regional) await define(family, 2, { parent: 'region' });
  await obey(stack, fateOf);
  fleet = await watch(stack);
  letters = await collect(stack.nc, 'dlq.>');
  notifications = await collect(stack.nc, 'notifications.*');
  await crash(stack, agents);
  await vi.waitFor(() => expect(new Set([...fleet.recovered(), ...fleet.escalated()]).size).toBe(agents.length), WITHIN);
  await vi.waitFor(async () => expect(await ask('control.recovery.list')).toEqual({ recoveries: [] }), WITHIN);
}, 150_000);
afterAll(() => stack.stop());

test('each failure is counted, once', async () => {
  const counted = async () => {
    const failures = await readerOf(dynamodbStore({ ...stack.table, tableName: stack.table.name })).load(failuresKind, agents);
    return agents.filter((agent) => failures.get(agent)?.counts.high === 1).length;
  };
  await expect.poll(counted, WITHIN).toBe(agents.length);
});

test('each agent is recovered or escalated, and nobody both', () => {
  const [recovered, escalated] = [new Set(fleet.recovered()), fleet.escalated()];
  expect([...recovered, ...escalated].sort()).toEqual([...agents].sort());
  expect(escalated).toEqual(expect.arrayContaining([...silent]));
});

test('each recovery that begins ends once', () => {
  const begun = fleet.begun();
  const ended = fleet.ended().filter((id) => begun.has(id));
  expect(ended.sort()).toEqual([...begun].sort());
});

test('of a supervisor with too many restarts the others are escalated, or restarted with it by the one above', () => {
  const [recovered, escalated] = [new Set(fleet.recovered()), new Set(fleet.escalated())];
  for (const [, children] of tight) expect(children.filter((agent) => escalated.has(agent)).length).toBeGreaterThanOrEqual(8);
  expect(agentsOf(regional).every((agent) => recovered.has(agent))).toBe(true);
});

test('people get a handful of notifications, and nothing is a dead letter', async () => {
  await expect.poll(() => notifications.length, WITHIN).toBeGreaterThan(0);
  expect(notifications.length).toBeLessThanOrEqual(12);
  expect(letters).toEqual([]);
});
