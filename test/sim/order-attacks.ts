/** Ordered bindings (docs/protocol.md, engine rule 6 and bridge rule 9): what keeps the order, each part switched off. */
import { InvokeError } from '#infra/bridge/ports/ports.ts';
import type { Answer, Batch } from '#shared/contract.ts';
import { invoking, type NamedAttack } from './attack.ts';
import type { Focus } from './plan.ts';

const inOrder: Focus = { ordered: true, core: 0, keys: ['a'] };

type Invoke = (batch: Batch) => Promise<unknown>;

/** Halves of a batch that failed, one after the other, whatever became of the first. */
const halved = async (invoke: Invoke, batch: Batch): Promise<Answer> => {
  const { Records } = batch;
  try {
    return (await invoke(batch)) as Answer;
  } catch (error) {
    if (!(error instanceof InvokeError) || error.kind !== 'function_error') throw error;
    const reason = { code: error.kind, message: error.message };
    if (Records.length === 1)
      return { batchItemFailures: Records.map(({ id }) => ({ itemIdentifier: id, reason })), publish: [], timers: [] };
    const half = Math.ceil(Records.length / 2);
    const first = await halved(invoke, { ...batch, Records: Records.slice(0, half) });
    const second = await halved(invoke, { ...batch, Records: Records.slice(half) });
    return {
      batchItemFailures: [...first.batchItemFailures, ...second.batchItemFailures],
      publish: [...first.publish, ...second.publish],
      timers: [...first.timers, ...second.timers],
    };
  }
};

export const orderAttacks: NamedAttack[] = [
  {
    rule: 'engine 6',
    without: 'holding the later records of an entity in the batch',
    focus: { ...inOrder, faults: ['a decision throws', 'a publish is slow'], kinds: ['add', 'wait'] },
    attack: () => invoking((invoke, { ordered: _, ...batch }) => invoke(batch)),
  },
  {
    rule: 'bridge 9',
    without: 'holding the later messages of a key',
    focus: { ...inOrder, faults: ['a decision throws', 'the function throws'], kinds: ['add', 'wait'] },
    attack: () => ({ binding: ({ ordered: _, ...binding }) => binding }),
  },
  {
    rule: 'bridge 9',
    without: 'a second half that waits for the first',
    focus: { ...inOrder, faults: ['the function throws', 'the function throws', 'a publish is slow'], kinds: ['add'] },
    attack: () => invoking(halved),
  },
  {
    rule: 'bridge 9',
    without: 'the gate of a new owner',
    focus: { ...inOrder, faults: ['the bridge crashes', 'an ack is lost', 'the function is slow'], kinds: ['add', 'quiet'] },
    attack: () => ({ ungated: true }),
  },
];
