/** Core records, the sweep and lost tails (docs/protocol.md): what is promised of them, each switched off. */
import { InvokeError } from '#infra/bridge/ports/ports.ts';
import type { Batch } from '#shared/contract.ts';
import { disguised, invoking, type NamedAttack, storing } from './attack.ts';

const isCore = (batch: Batch): boolean => batch.eventSource === 'nats:core';

export const otherAttacks: NamedAttack[] = [
  {
    rule: 'core',
    without: 'the nonce',
    focus: { faults: ['a write is tried again by the SDK'], kinds: ['add', 'quiet'], core: 1 },
    attack: () =>
      storing((store) => ({
        load: async (keys) => new Map([...(await store.load(keys))].map(([key, item]) => [key, { ...item, nonce: '' }])),
      })),
  },
  {
    rule: 'core',
    without: 'never trying again',
    focus: { faults: ['the function crashes', 'a write lands, its answer is lost'], kinds: ['add', 'quiet'], core: 1 },
    attack: () =>
      invoking((invoke, batch) =>
        invoke(batch).catch((error) => {
          if (isCore(batch) && error instanceof InvokeError) return invoke(batch);
          throw error;
        }),
      ),
  },
  {
    rule: 'core',
    without: 'asking what a record caused whose answer was lost',
    focus: { faults: ['the answer is lost', 'the function crashes'], kinds: ['add'], core: 1 },
    attack: () =>
      invoking(async (invoke, batch) =>
        batch.settle && isCore(batch) ? { batchItemFailures: [], publish: [], timers: [] } : invoke(batch),
      ),
  },
  {
    rule: 'core',
    without: 'outputs of a bridge that died',
    focus: { faults: ['the bridge crashes'], kinds: ['add'], core: 1 },
    instead: { orphanedRecords: () => [], overdueRecords: () => [] },
  },
  {
    rule: 'the sweep',
    without: 'outputs that are owed for long',
    focus: { faults: ['the stream is made anew', 'a publish fails', 'the bridge crashes'], kinds: ['add'], core: 0 },
    instead: { overdueRecords: () => [] },
  },
  {
    rule: 'a lost tail',
    without: 'silence about messages whose sequence is used again',
    focus: { faults: ['the stream loses its tail', 'the function is slow', 'the bridge crashes'], core: 0, keys: ['a'] },
    attack: () => disguised((record) => ({ ...record, timestamp: '2026-01-01T00:00:00.000Z' })),
  },
];
