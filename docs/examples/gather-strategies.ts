/** What becomes of many answers: the first, all as one object, a sum, what two agree on; and who is missing. */
import type { Client } from './run/client.ts';

const ANSWERS = { ann: { price: 40, color: 'red' }, ben: { price: 2, color: 'blue' }, cleo: { price: 7, color: 'red' } };

export const run = async ({ id, say, publish, listen, answer, check }: Client): Promise<void> => {
  const scatter = async (name: string, rules: object) => {
    say(`${name}:`);
    const request = id(name);
    const completion = await listen(`gather.${request}.complete`);
    await answer(`scatter.${request}.task`, ({ payload }) => {
      for (const [agent_id, result] of Object.entries(ANSWERS))
        if (agent_id !== payload.without) publish(`gather.${request}.result`, { agent_id, result });
    });
    publish(`scatter.${request}.task`, { min_responses: 3, timeout_ms: 10_000, payload: {}, ...rules });
    return completion(`the end of ${name}`);
  };

  const { count } = await scatter('first', { strategy: 'first' });
  check(count === 1, `${count} are counted`);
  const { value: merged } = await scatter('merge', { strategy: 'merge' });
  check('price' in merged && 'color' in merged, `merged is ${merged}`);
  const { value: sum } = await scatter('reduce', { strategy: 'reduce', reduce: { op: 'sum', field: 'price' } });
  check(sum === 49, `the sum is ${sum}`);
  const { agreed } = await scatter('quorum', { quorum: { count: 2, field: 'color' } });
  check(agreed.value === 'red', `they agree on ${agreed.value}`);
  const { completed_by } = await scatter('predicate', { complete_when: { result: { color: ['blue'] } } });
  check(completed_by === 'predicate', `it is completed by ${completed_by}`);
  const partial = { expected: Object.keys(ANSWERS), allow_partial: true, idle_timeout_ms: 500, payload: { without: 'ben' } };
  const { missing } = await scatter('partial', partial);
  check(missing.join() === 'ben', `${missing} is missing, not ben`);
};
