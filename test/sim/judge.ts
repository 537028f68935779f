/**
 * What the protocol promises, held against what a run left behind: once when everything has drained, and, where records
 * came without a stream or were lost with one, once more after the sweep, which brings what those still owe.
 *
 * Not promised, so not judged:
 * - a lone no-op that comes again after its consumer lost its state may act then (protocol, "What stays");
 * - outputs of a record that acted and was lost with the tail of its stream before it was acked: once its sequence is used
 *   again, the floor passes it, and nobody can tell that from an ack;
 * - the order of a lone no-op, of what a reset skipped and brought back, and of what came without a stream.
 */
import type { Counter, Said } from './counter.ts';
import type { Published } from './ledger.ts';
import type { World } from './simulate.ts';

type Seen = { said: Said; messageId: string };

export const judge = (world: World, { swept }: { swept: boolean }): string[] => {
  const violations = [...world.bus.conflicts];
  const dead = deadRecords(world);
  for (const [key, all] of world.ledger.published) {
    const item = world.ledger.items.get(key);
    const state = item?.state as Counter | null | undefined;
    const seen = outputsOf(world, key);
    for (const one of all)
      violations.push(...judgeMessage(world, key, one, { state, seen, swept, isDead: one.id !== undefined && dead.has(one.id) }));
    violations.push(...judgeChain(key, state, seen));
    if (world.plan.ordered) violations.push(...judgeOrder(key, state, all));
    const comesAgain = all.every(({ lost, message }) => !lost && message.via === 'stream');
    if (state?.alarm && (comesAgain || swept)) violations.push(`the alarm of ${key} is lost: it was due at ${state.alarm.due}`);
    if (state && !onlyOnes(state.rung)) violations.push(`an alarm of ${key} acted twice: ${state.rung.toString(4)}`);
    const rings = world.schedules.rings(`counter.${key}`);
    if (rings > 12 + 4 * all.length) violations.push(`the alarm of ${key} went off ${rings} times`);
  }
  violations.push(...judgeBells(world, swept));
  // A floor that cannot be read, or a write of another consumer, may find an old one.
  const { faults, messages } = world.plan;
  if (faults.length === 0 && messages.every(({ via }) => via === 'stream')) violations.push(...world.ledger.overheld);
  return violations;
};

/** Each was wound up by messages about another key. */
const judgeBells = ({ ledger }: World, swept: boolean): string[] => {
  const all = [...ledger.published.values()].flat();
  const comeAgain = all.every(({ lost, message }) => !lost && message.via === 'stream');
  return [...ledger.bells()].flatMap(([key, { wound, rung }]) => [
    ...(wound.length > 0 && (comeAgain || swept) ? [`the alarm of ${key} is lost: it was due at ${wound.map(({ due }) => due)}`] : []),
    ...(onlyOnes(rung) ? [] : [`${key} rang twice: ${rung.toString(4)}`]),
  ]);
};

const deadRecords = ({ bus }: World): Set<string> => {
  const dead = new Set<string>();
  for (const messageId of bus.received.keys()) {
    const id = /^dlq:[^:]+:(.*)$/.exec(messageId)?.[1];
    if (id) dead.add(id);
  }
  return dead;
};

const outputsOf = ({ bus }: World, key: string): Seen[] =>
  [...bus.received]
    .filter(([, { subject }]) => subject === `out.${key}`)
    .map(([messageId, { data }]) => ({ messageId, said: JSON.parse(data) }));

const timesIn = (sum: number, digit: number): number => Math.floor(sum / digit) % 4;
/** Every digit to base four is 0 or 1. */
const onlyOnes = (sum: number): boolean => (sum & 0xaaaaaaaa) === 0;

type Evidence = { state: Counter | null | undefined; seen: Seen[]; isDead: boolean; swept: boolean };

const judgeMessage = (world: World, key: string, one: Published, { state, seen, isDead, swept }: Evidence): string[] => {
  const { digit, message, lost } = one;
  const name = `${message.name} (${message.kind} ${key}, digit ${digit})`;
  const outputs = seen.filter(({ said }) => said.by === digit && said.rung === undefined);
  const effects = message.kind === 'say' ? outputs.length : timesIn(state?.sum ?? 0, digit);
  const violations: string[] = [];
  const say = (what: string) => void violations.push(`${name} ${what}`);

  if (effects > 1) say(`acted ${effects} times`);
  if (outputs.length > 1) say(`was answered ${outputs.length} times to a subscriber that honours message ids`);
  if (isDead && effects > 0) say('is a dead letter and has acted');
  if (message.kind === 'both' && timesIn((world.ledger.items.get(one.other)?.state as Counter | null)?.side ?? 0, digit) !== effects)
    say('changed one entity without the other');
  const comesAgain = !lost && message.via === 'stream';
  const owes = owesOutput(message.kind) && (comesAgain || (swept && lost !== 'with the tail'));
  if (effects === 1 && owes && outputs.length === 0) say('acted, and its output was never published');
  if (!comesAgain) return violations;
  if (one.settledAt === undefined) say('was never settled');
  if (effects === 0 && !isDead && message.kind !== 'gated') say('never acted and is no dead letter');
  const { effectAt = 0, settledAt = Infinity, recordedNoop } = one;
  if (effectAt > settledAt && (recordedNoop || settledAt > world.consumerLostStateAt)) say('acted after it was settled');
  return violations;
};

const owesOutput = (kind: string): boolean => kind !== 'quiet' && kind !== 'alarm';

/** Sums that were told must be a chain, each with all of the one before: the effects happened one after the other. */
const judgeChain = (key: string, state: Counter | null | undefined, seen: Seen[]): string[] => {
  const violations: string[] = [];
  for (const field of ['sum', 'rung'] as const) {
    const told = seen.flatMap(({ said }) => said[field] ?? []).sort((a, b) => a - b);
    for (const [n, sum] of [...told, state?.[field] ?? 0].entries()) {
      const before = told[n - 1] ?? 0;
      if ((before & sum) !== before)
        violations.push(`${key}: the ${field} ${before.toString(4)} is not part of the later ${sum.toString(4)}`);
    }
  }
  return violations;
};

/** Of an ordered binding the effects come in the order of the stream. */
const judgeOrder = (key: string, state: Counter | null | undefined, all: Published[]): string[] => {
  const isJudged = ({ message, lost, skipped }: Published) => message.via === 'stream' && message.kind !== 'gated' && !lost && !skipped;
  const digits = new Set(all.filter(isJudged).map(({ digit }) => digit));
  const trail = (state?.trail ?? []).filter((digit) => digits.has(digit));
  const early = trail.find((digit, n) => digit < (trail[n - 1] ?? 0));
  return early === undefined ? [] : [`${key}: digit ${early} acted after a later one: ${trail.join(' ')}`];
};
