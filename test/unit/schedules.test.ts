/** `schedule` events: the bridge wakes a function at a fixed rate, once however many bridges there are. */
import { expect, test } from 'vitest';
import { parseManifest } from '#infra/bridge/manifest/read-manifest.ts';
import type { Outgoing } from '#infra/bridge/ports/ports.ts';
import { startSchedules } from '#infra/bridge/sources/schedules.ts';
import { virtualTime } from '#test/sim/virtual-time.ts';

const MINUTE = 60_000;
const START = Date.UTC(2026, 0, 1) + 20_000;

const woken = (publish: (messages: readonly Outgoing[]) => Promise<void>, log: (sentence: string) => void = () => {}) => {
  const time = virtualTime(START);
  const functions = [{ name: 'reconciler', schedules: [{ name: 'sweep', every: MINUTE }] }];
  return { time, stop: startSchedules({ functions, publisher: { publish }, clock: time.clock(), log }) };
};

test('it rings at once and then on the minute, with a message id that every bridge would use', async () => {
  const rung: Outgoing[] = [];
  const { time, stop } = woken(async (messages) => void rung.push(...messages));
  await time.runUntil(() => rung.length === 3, 10 * MINUTE);
  stop();
  const turn = Math.floor(START / MINUTE);
  expect(rung.map(({ data }) => JSON.parse(data as string).due)).toEqual([
    '2026-01-01T00:00:20.000Z',
    '2026-01-01T00:01:00.000Z',
    '2026-01-01T00:02:00.000Z',
  ]);
  const subject = 'timers.due.reconciler.sweep.main';
  expect(rung.map(({ messageId }) => messageId)).toEqual([turn, turn + 1, turn + 2].map((n) => `schedule:${subject}.${n}`));
});

test('a publish that fails is said, and tried again until it is out', async () => {
  const said: string[] = [];
  const ids: string[] = [];
  const { time, stop } = woken(
    async ([message]) => {
      ids.push(message?.messageId ?? '');
      if (ids.length < 3) throw new Error('no leader');
    },
    (sentence) => said.push(sentence),
  );
  await time.advance(15_000);
  stop();
  expect(said).toEqual(Array(2).fill('reconciler.sweep is not woken yet, which is tried again: no leader'));
  expect([ids.length, new Set(ids).size]).toEqual([3, 1]);
});

const manifest = (event: string) => `provider: {}\nfunctions:\n  f:\n    handler: f.handler\n    events:\n      - nats: ${event}\n`;

test('serverless.yml says it in seconds, beside the bindings', () => {
  const [fn] = parseManifest(manifest('{ name: sweep, schedule: 60, publishes: [a.b] }'), 'serverless.yml').functions;
  expect(fn).toMatchObject({ bindings: [], schedules: [{ name: 'sweep', every: MINUTE }], publishes: ['a.b'] });
});

test.each([
  ['{ schedule: 60 }', /name: is needed with schedule/],
  ['{ name: sweep, schedule: 60, request: a }', /exactly one of stream, core, request and schedule, has request and schedule/],
  ['{ name: sweep, schedule: 0 }', /schedule/],
])('%s is refused with a sentence', (event, sentence) => {
  expect(() => parseManifest(manifest(event), 'serverless.yml')).toThrow(sentence);
});
