import fc from 'fast-check';
import { expect, it } from 'vitest';
import { mayOverfill } from '#infra/bridge/dispatch/held.ts';
import { payloadBytes } from '#infra/bridge/ports/record.ts';
import { aRecord } from '#test/support/fake-ports.ts';
import { aBatch, anyRecord } from '#test/support/invoker-contract.ts';

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

it('tells what a record adds to the payload of a call, to the byte', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { minLength: 1 }), (records) => {
      const added = records.reduce((sum, record) => sum + payloadBytes(record), 0);
      // The last has no comma behind it.
      expect(bytesOf(aBatch(...records))).toBe(bytesOf(aBatch()) + added - 1);
    }),
  );
});

it.each([
  ['base64', Buffer.alloc(300, 0xff).toString('base64'), 400],
  ['quotes', '"'.repeat(300), 600],
  ['control characters', '\u0001'.repeat(300), 1800],
])('counts %s as they are sent', (_, data, bytes) => {
  expect(payloadBytes(aRecord(1, { data })) - payloadBytes(aRecord(1, { data: '' }))).toBe(bytes);
});

it('needs no count of messages that fit whatever JSON makes of them', () => {
  const worst = (bytes: number) => payloadBytes(aRecord(1, { data: '\u0001'.repeat(bytes) }));
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 1, max: 10_000 }), (bytes, size) => {
      const queue = { name: 'any', batching: { size, window: 0, bytes: 5_000_000 } };
      expect(mayOverfill(queue, { bytes }) || size * worst(bytes) <= 1_000_000).toBe(true);
    }),
  );
  expect(mayOverfill({ name: 'default', batching: { size: 100, window: 0, bytes: 5_000_000 } }, { bytes: 1000 })).toBe(false);
});
