/** Reset and replay (docs/protocol.md, bridge rule 10), each part switched off. */
import type { Answer } from '#shared/contract.ts';
import { changed, crashes, invoking, type NamedAttack } from './attack.ts';
import type { Focus } from './plan.ts';

const resets: Focus = { faults: ['the consumer is reset', 'the consumer is reset', ...crashes], core: 0 };

export const epochAttacks: NamedAttack[] = [
  {
    rule: 'bridge 10',
    without: 'what the epoch before has applied',
    focus: resets,
    instead: { otherEpochs: () => [] },
  },
  {
    rule: 'bridge 10',
    without: 'the epoch that decided an output',
    focus: { ...resets, kinds: ['add'] },
    attack: () =>
      invoking(async (invoke, batch) => {
        const answer = (await invoke(batch)) as Answer;
        return { ...answer, publish: answer.publish?.map(({ epoch: _, ...output }) => output) };
      }),
  },
  {
    rule: 'bridge 10',
    without: 'where an epoch begins',
    focus: { ...resets, keys: ['a'] },
    attack: () => ({
      source: (source) =>
        changed(source, {
          readFloor: async () => {
            const { from: _, ...floor } = await source.readFloor();
            return floor;
          },
        }),
    }),
  },
  {
    rule: 'bridge 10',
    without: 'the drain before a reset',
    // Effects do not depend on it, the order does.
    focus: { ...resets, ordered: true, keys: ['a'], kinds: ['add'], faults: ['the consumer is reset', 'the function is slow'] },
    attack: () => ({ undrained: true }),
  },
];
