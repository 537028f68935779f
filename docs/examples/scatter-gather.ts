/** One question to many workers, and one answer with all their results. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, listen, answer, check }: Client): Promise<void> => {
  const request = id('quote');
  // In a queue group only one of them would get it.
  for (const [worker, price] of [
    ['ann', 42],
    ['ben', 39],
    ['cleo', 57],
  ] as const)
    await answer(`scatter.${request}.task`, () => publish(`gather.${request}.result`, { agent_id: worker, result: price }));
  const completion = await listen(`gather.${request}.complete`);

  say('who can do it, and for how much?');
  publish(`scatter.${request}.task`, { min_responses: 2, max_responses: 3, timeout_ms: 5000, payload: 'translate ten pages' });
  const { status, responses } = await completion('the completion');
  check(status === 'complete', `the gather is ${status}, not complete`);
  const [best] = responses.toSorted((a: { result: number }, b: { result: number }) => a.result - b.result);
  say(`${best.agent_id} is the cheapest of ${responses.length}: ${best.result}`);
};
