/** docs/bridge.md and the code say the same, both ways: settings, metrics, dead-letter headers and codes. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { NATURES } from '#functions/dlq-processor/classify.ts';
import { natsEventSchema } from '#infra/bridge/manifest/nats-event.ts';
import { createMetrics } from '#infra/bridge/observe/metrics.ts';
import { deadLetter } from '#infra/bridge/publish/dead-letter.ts';
import { aRecord } from '#test/support/fake-ports.ts';

const doc = readFileSync(new URL('../../docs/bridge.md', import.meta.url), 'utf8');

/** Cells of the rows of the table that has this column first, without its head. */
const table = (firstColumn: string): string[][] => {
  const from = doc.indexOf(`\n| ${firstColumn} |`) + 1;
  const rows = doc.slice(from, doc.indexOf('\n\n', from)).split('\n').slice(2);
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
};
const named = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);

type Setting = { type?: string; properties?: Record<string, Setting>; minimum?: number; maximum?: number };

describe('docs/bridge.md', () => {
  const settings = table('setting').map(([name, , preset, range]) => ({ name: named(name)[0] ?? '', preset: named(preset)[0], range }));
  const { properties = {} } = z.toJSONSchema(natsEventSchema, { io: 'input', unrepresentable: 'any' }) as Setting;
  const { retry, ...plain } = properties;
  const inRetry = Object.entries(retry?.properties ?? {}).map(([name, setting]) => [`retry.${name}`, setting] as const);
  const declared: Record<string, Setting> = { ...plain, ...Object.fromEntries(inRetry) };

  it('has a row for every setting of a nats event, and no other', () => {
    expect(settings.map(({ name }) => name).toSorted()).toEqual(Object.keys(declared).toSorted());
  });

  it('tells the defaults', () => {
    const { request, retry, ...presets } = natsEventSchema.parse({ request: 'a' });
    const all = { ...presets, ...Object.fromEntries(Object.entries(retry).map(([name, preset]) => [`retry.${name}`, preset])) };
    const told = settings.flatMap(({ name, preset }) => (preset === undefined ? [] : [[name, JSON.parse(preset)]]));
    expect(Object.fromEntries(told)).toEqual(all);
  });

  it('tells the ranges of numbers', () => {
    const inWords = ({ minimum = 0, maximum = Number.MAX_SAFE_INTEGER }: Setting): string => {
      const end = maximum === Number.MAX_SAFE_INTEGER ? 'and more' : `to ${maximum.toLocaleString('en')}`;
      return `${minimum.toLocaleString('en')} ${end}`;
    };
    const numbers = settings.filter(({ name }) => declared[name]?.type === 'integer');
    expect(numbers.map(({ name, range }) => [name, range])).toEqual(numbers.map(({ name }) => [name, inWords(declared[name] ?? {})]));
  });

  it('has a row for every metric, and no other', async () => {
    const names = [...(await createMetrics().text()).matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
    expect(
      table('metric')
        .flatMap(([name]) => named(name))
        .toSorted(),
    ).toEqual(names.toSorted());
  });

  it('has a row for every header of a dead letter, and no other', () => {
    const reason = { code: 'timeout', message: 'too late' };
    const facts = { record: aRecord(1), stream: 'S', consumer: 'c', functionName: 'f', attempts: 1, firstAt: 0, lastAt: 0, reason };
    // So little room that it comes in parts.
    const headers = deadLetter(facts, 1).flatMap(({ headers }) => Object.keys(headers ?? {}));
    expect(
      table('header')
        .flatMap(([name]) => named(name))
        .toSorted(),
    ).toEqual([...new Set(headers)].toSorted());
  });

  it('has every code that the bridge or the engine gives up with', () => {
    // The bridge holds what is throttled or unreachable; the last is the server's word of foreign consumers.
    const never = ['throttled', 'unreachable', 'terminated'];
    const codes = [...Object.keys(NATURES).filter((code) => !never.includes(code)), 'failed'];
    expect(
      table('code')
        .flatMap(([code]) => named(code))
        .toSorted(),
    ).toEqual(codes.toSorted());
  });
});
