/**
 * What a run is going to do, drawn from its seed before it begins: messages and faults in plain lists, so that a failing
 * run can be made smaller by leaving some out.
 */
import { type Random, seeded } from './random.ts';

/** What a message makes the function do. `counter.ts` says how. */
export const STREAM_KINDS = [
  'add',
  'add',
  'add',
  'quiet',
  'gated',
  'gated',
  'alarm',
  'say',
  'wait',
  'both',
  'wind',
  'poison',
  'refused',
] as const;
export const CORE_KINDS = ['add', 'quiet', 'alarm'] as const;
export type MessageKind = (typeof STREAM_KINDS)[number] | (typeof CORE_KINDS)[number] | 'big';

/** Happen when their time comes. */
const EVENTS = [
  'the bridge crashes',
  'the bridge is restarted',
  'two bridges own it',
  'the consumer is reset',
  'the consumer loses its state',
  'the stream loses its tail',
  'the stream is made anew',
  'a stray alarm goes off',
] as const;

/** Wait, once their time has come, for the next operation that they fit, and spoil it. */
const SPOILERS = [
  'a delivery is lost',
  'an ack is lost',
  'a nak is lost',
  'the floor read is old',
  'the floor cannot be read',
  'a publish fails',
  'a publish lands, its answer is lost',
  'a publish is slow',
  'an alarm cannot be set',
  'an alarm is set, the answer is lost',
  'an alarm is set late',
  'the function is throttled',
  'the function throws',
  'the function crashes',
  'the function is slow',
  'the answer is lost',
  'the answer is garbage',
  'a decision throws',
  'a read fails',
  'a write fails',
  'a write lands, its answer is lost',
  'a write is tried again by the SDK',
  'a write is slow',
] as const;

export type FaultName = (typeof EVENTS)[number] | (typeof SPOILERS)[number];
/** `at` in ms from the start; `x`, 0 to 1, says how much of it. */
export type Fault = { at: number; what: FaultName; x: number };
export type PlannedMessage = { at: number; name: string; key: string; kind: MessageKind; via: 'stream' | 'core'; x: number };
export type Plan = {
  seed: number;
  messages: PlannedMessage[];
  faults: Fault[];
  /** How far the clocks of bridge and function are ahead of the server's, ms. */
  skew: { bridge: number; function: number };
  /** Whether the binding of the stream is ordered. */
  ordered: boolean;
};

/** What an attack wants more of than a common run has. */
export type Focus = {
  faults?: readonly FaultName[];
  kinds?: readonly MessageKind[];
  core?: number;
  messages?: number;
  skew?: Plan['skew'];
  keys?: readonly string[];
  ordered?: boolean;
};

/** Nothing is spoilt after it. */
export const FAULTS_END = 6000;
const KEYS = ['a', 'b', 'c'];
const ALL_FAULTS: readonly FaultName[] = [...EVENTS, 'the bridge crashes', ...SPOILERS];

const drawMessage = (random: Random, n: number, focus: Focus): PlannedMessage => {
  const via = random() < (focus.core ?? 0.2) ? 'core' : 'stream';
  const kinds: readonly MessageKind[] = focus.kinds ?? (via === 'core' ? CORE_KINDS : STREAM_KINDS);
  const kind = random() < 0.01 ? 'big' : random.pick(kinds);
  return { at: random.between(0, 4000), name: `m${n}`, key: random.pick(focus.keys ?? KEYS), kind, via, x: random() };
};

export const drawPlan = (seed: number, focus: Focus = {}): Plan => {
  const random = seeded(seed);
  const skew = () => random.between(-50, 50);
  const messages = Array.from({ length: random.between(4, focus.messages ?? 12) }, (_, n) => drawMessage(random, n + 1, focus));
  const faults = Array.from({ length: random.between(0, 8) }, () => ({
    at: random.between(0, FAULTS_END - 1000),
    what: random.pick(focus.faults ?? ALL_FAULTS),
    x: random(),
  }));
  return {
    seed,
    messages: messages.sort((a, b) => a.at - b.at),
    faults: faults.sort((a, b) => a.at - b.at),
    skew: focus.skew ?? { bridge: skew(), function: skew() },
    ordered: focus.ordered ?? random() < 0.2,
  };
};
