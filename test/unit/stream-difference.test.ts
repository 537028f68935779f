import { RetentionPolicy, type StreamInfo } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { describe, expect, it } from 'vitest';
import { streamDifference } from '#infra/nats/stream-difference.ts';
import type { StreamSpec } from '#infra/nats/streams.ts';

const HOUR = nanos(3_600_000);
const wanted: StreamSpec = { name: 'S', subjects: ['a.>', 'b.>'], retention: RetentionPolicy.Limits, max_age: 24 * HOUR, max_bytes: 1000 };

/** A stream that holds ten messages, 500 bytes, the oldest two hours old. */
const standing = (config: Partial<StreamInfo['config']> = {}, messages = 10) =>
  ({
    config: { ...wanted, ...config },
    state: { messages, bytes: messages * 50, first_ts: '2026-01-01T10:00:00Z' },
    ts: '2026-01-01T12:00:00Z',
  }) as StreamInfo;

describe('the difference between a stream and the one that is wanted', () => {
  it('is none for an equal one, whatever the order of its subjects and what else it has', () => {
    const equal = standing({ subjects: ['b.>', 'a.>'], description: 'mine' });
    expect(streamDifference(equal, { ...wanted, allow_atomic: false })).toEqual({ changes: {}, refusals: [] });
  });

  it('names only what changes', () => {
    const { changes, refusals } = streamDifference(standing({ max_age: HOUR, subjects: ['a.>'] }), wanted);
    expect(changes).toEqual({ max_age: 24 * HOUR, subjects: ['a.>', 'b.>'] });
    expect(refusals).toEqual([]);
  });

  it.each([
    ['max_bytes', { max_bytes: 499 }, 'it holds 500 bytes'],
    ['max_age', { max_age: HOUR }, 'its oldest message is of 2026-01-01T10:00:00Z'],
    ['max_msgs_per_subject', { max_msgs_per_subject: 9 }, 'it holds 10 messages'],
  ])('refuses a %s that would delete messages', (key, limit, why) => {
    const { changes, refusals } = streamDifference(standing(), { ...wanted, ...limit });
    expect(changes).toEqual({});
    expect(refusals).toEqual([expect.stringMatching(new RegExp(`^the stream S has ${key} .*, but ${why}, which would be deleted`))]);
  });

  it.each([{ max_bytes: 500 }, { max_age: 3 * HOUR }, { max_msgs_per_subject: 10 }, { max_bytes: -1 }, { max_age: 0 }])(
    'takes %j, which deletes nothing',
    (limit) => {
      expect(streamDifference(standing(), { ...wanted, ...limit })).toEqual({ changes: limit, refusals: [] });
    },
  );

  it('takes any limit for an empty stream', () => {
    expect(streamDifference(standing({}, 0), { ...wanted, max_bytes: 1 }).changes).toEqual({ max_bytes: 1 });
  });

  it('refuses what a server cannot change', () => {
    const { refusals } = streamDifference(standing({ retention: RetentionPolicy.Workqueue }), wanted);
    expect(refusals).toEqual([
      'the stream S has retention "workqueue", "limits" is wanted, and a server cannot change that: save what it holds, then delete the stream',
    ]);
  });
});
