/** Structured logs of the bridge. */
import { describe, expect, it } from 'vitest';
import { createLog, type LogOptions } from '#infra/bridge/log.ts';

const lines = (options: Pick<LogOptions, 'level' | 'format'>): string[] => {
  const written: string[] = [];
  const log = createLog({ ...options, bridge: 'b1', write: (line) => void written.push(line) });
  for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level](`${level}\nof two lines`);
  return written;
};
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

describe('the log of the bridge', () => {
  it('is JSON, a line a message, for what collects it', () => {
    const [line] = lines({ level: 'error', format: 'json' });
    expect(line).toMatch(/^\{.*\}\n$/);
    expect(JSON.parse(line ?? '')).toEqual({ time, level: 'error', message: 'error\nof two lines', bridge: 'b1' });
  });

  it('is text for people', () => {
    expect(lines({ level: 'error', format: 'text' })).toEqual([expect.stringMatching(/^\S+Z error error\nof two lines\n$/)]);
  });

  it('leaves out what is below its level', () => {
    const levels = lines({ level: 'warn', format: 'json' }).map((line) => JSON.parse(line).level);
    expect(levels).toEqual(['warn', 'error']);
  });
});
