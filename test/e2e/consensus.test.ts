/** Three agents that agree on a value over the wire, with two proposers that want different ones. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 15_000, interval: 20 };
type Body = { message_type: string; round: number; sender?: string; proposer?: string; value?: unknown; highest_round?: number };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack();
});
afterAll(() => stack.stop());

const ID = 'c7d1';
const say = (body: object) => stack.publish(`coordination.consensus.${ID}`, { consensus_id: ID, ...body });
const hear = (of: string, then: (body: Body) => Promise<void> | undefined) =>
  stack.nc.subscribe(of, { callback: (_, message) => void then(message.json<Body>()) });

/** Promises what is higher, accepts what is sound. */
const acceptor = (sender: string): void => {
  let promised = -1;
  hear(`coordination.consensus.${ID}`, ({ message_type, round }) => {
    if (message_type !== 'prepare' || round <= promised) return;
    promised = round;
    return say({ message_type: 'promise', sender, round });
  });
  hear(`coordination.consensus.${ID}.result`, ({ message_type, round, value }) => {
    if (message_type !== 'propose' || round < promised) return;
    promised = round;
    return say({ message_type: 'accept', sender, round, value });
  });
};

const participants = ['agent-1', 'agent-2', 'agent-3'];

/** Rounds of its own: odd or even. */
const proposer = (sender: string, first: number, wish: unknown) => {
  let round = first;
  const prepare = () => say({ message_type: 'prepare', sender, round, participants });
  hear(`coordination.consensus.${ID}.result`, (body) => {
    if (body.proposer !== sender || body.round !== round) return;
    if (body.message_type === 'promise') return say({ message_type: 'propose', sender, round, value: body.value ?? wish });
    if (body.message_type !== 'refused') return;
    while (round <= (body.highest_round ?? 0)) round += 2;
    return prepare();
  });
  return prepare;
};

test('three agents agree on one of two proposals, and whoever comes later is told', async () => {
  const [told, words] = await Promise.all([
    collect(stack.nc, `coordination.consensus.${ID}.result`),
    collect(stack.nc, `coordination.consensus.${ID}`),
  ]);
  for (const id of participants) acceptor(id);
  const [blue, red] = [proposer('agent-1', 1, { color: 'blue' }), proposer('agent-2', 2, { color: 'red' })];
  await stack.nc.flush();
  await Promise.all([blue(), red()]);
  const learned = (seen: { body: unknown }[]) =>
    seen.map(({ body }) => body as Body).filter(({ message_type }) => message_type === 'learn');
  await expect.poll(() => learned(words), WITHIN).toHaveLength(1);
  const [{ value }] = learned(words) as [Body];
  expect([{ color: 'blue' }, { color: 'red' }]).toContainEqual(value);
  await stack.publish(`coordination.consensus.${ID}.round.99`, { message_type: 'prepare', sender: 'agent-3' });
  await expect.poll(() => learned(told).length, WITHIN).toBeGreaterThan(1);
  expect(new Set(learned(told).map((body) => JSON.stringify(body.value)))).toEqual(new Set([JSON.stringify(value)]));
  expect(learned(words)).toHaveLength(1);
});
