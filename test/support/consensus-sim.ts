/**
 * A consensus from a seed: proposers that compete, acceptors that keep Paxos' rules or forget that they did, and a stream that is at
 * least once. What was said is judged by a reference of its own: what a majority accepted in one round, and nothing else, is decided.
 */
import { isDeepStrictEqual } from 'node:util';
import { synods } from '#functions/consensus/decide.ts';
import { settings } from '#functions/consensus/settings.ts';
import type { Synod } from '#functions/consensus/synod.ts';
import type { Context, Decision } from '#shared/entity/entity.ts';
import type { Consensus, ConsensusResult } from '#shared/messages/consensus.ts';
import { seeded } from '../sim/random.ts';

export type Said = Pick<Consensus, 'message_type' | 'sender' | 'round'> & { value?: unknown };
/** In the order of the stream; `learned` in the order in which it was told. */
export type History = { said: Said[]; learned: unknown[]; proposed: unknown[]; acceptors: number };

/** Acceptances that count: of an acceptor that had not promised a higher round before. */
const decidedBy = ({ said, acceptors }: History): unknown[] => {
  const promised = new Map<string, number>();
  const accepted = new Map<string, { value: unknown; by: Set<string> }>();
  for (const { message_type, sender, round, value } of said) {
    const before = promised.get(sender) ?? -1;
    if (!['promise', 'accept'].includes(message_type) || round < before) continue;
    promised.set(sender, round);
    if (message_type !== 'accept') continue;
    const key = `${round} ${JSON.stringify(value)}`;
    accepted.set(key, { value, by: (accepted.get(key)?.by ?? new Set()).add(sender) });
  }
  return [...accepted.values()].flatMap(({ value, by }) => (by.size > acceptors / 2 ? [value] : []));
};

const differ = (values: readonly unknown[]): boolean => values.some((value) => !isDeepStrictEqual(value, values[0]));

/** One sentence for each violation. */
export const violations = (history: History): string[] => {
  const { learned, proposed } = history;
  const decided = decidedBy(history);
  return [
    ...(differ(learned) ? [`learned ${JSON.stringify(learned)}`] : []),
    ...(differ(decided) ? [`accepted by majorities: ${JSON.stringify(decided)}`] : []),
    ...(learned.some((value) => !proposed.some((other) => isDeepStrictEqual(other, value))) ? ['learned what nobody proposed'] : []),
    ...(learned.length > 0 && differ([...decided, learned[0]]) ? ['learned something else than a majority accepted'] : []),
  ];
};

// biome-ignore lint/suspicious/noExplicitAny: a wrong decision need not be of the right type
export type Mutant = (state: any, event: any, decision: any) => Decision<any>;

type Options = { seed: number; acceptors?: number; proposers?: number; faulty?: boolean; named?: boolean; mutant?: Mutant };

export const simulateConsensus = ({ seed, acceptors = 3, proposers = 3, faulty = true, named = true, mutant }: Options) => {
  const random = seeded(seed);
  const chance = (share: number) => faulty && random() < share;
  const ids = Array.from({ length: acceptors }, (_, n) => `a${n}`);
  const history: History = { said: [], learned: [], proposed: [], acceptors };
  const rules = settings.parse({ CONSENSUS_ACCEPTORS: String(acceptors) });
  let state: Synod | undefined;
  /** What is on its way to agents: each acceptor hears in an order of its own. */
  const inbox: { to: string; what: Said | ConsensusResult }[] = [];
  const stream: Said[] = [];
  const promised = new Map<string, number>();
  const round = new Map<string, number>();
  let steps = 0;

  const broadcast = (what: Said | ConsensusResult): void => {
    for (const to of [...ids, ...Array.from({ length: proposers }, (_, n) => `p${n}`)]) if (!chance(0.2)) inbox.push({ to, what });
    if (chance(0.2)) inbox.push({ to: random.pick(ids), what });
  };
  /** Stored, or it was not said; agents hear it from the stream. */
  const say = (what: Said): boolean => {
    if (chance(0.15)) return false;
    stream.push(what);
    history.said.push(what);
    broadcast(what);
    return true;
  };
  const decide = (said: Said): void => {
    const body = { consensus_id: 'c1', ...said, ...(said.message_type === 'prepare' && named && { participants: ids }) };
    const context = { now: ++steps, id: 'c1', settings: rules } as unknown as Context<typeof rules>;
    const event = { message: 'consensus', body } as never;
    const right = synods.decide(state, event, context);
    const decision = mutant ? mutant(state, event, right) : right;
    if (decision.outcome !== 'done') return;
    state = decision.state ?? state;
    for (const { subject, body } of decision.publish ?? []) {
      const told = body as ConsensusResult;
      if (!subject.endsWith('.result')) continue;
      if (told.message_type === 'learn') history.learned.push(told.value);
      broadcast(told);
    }
  };

  const prepare = (proposer: string, above = 0): void => {
    const number = Number(proposer.slice(1));
    // Rounds of its own: two proposers never have the same.
    const next = Math.ceil((Math.max(above, round.get(proposer) ?? 0) + 1) / proposers) * proposers + number;
    if (say({ message_type: 'prepare', sender: proposer, round: next })) round.set(proposer, next);
  };
  const hear = (to: string, what: Said | ConsensusResult): void => {
    const isAcceptor = to.startsWith('a');
    if (isAcceptor) {
      // It crashed and has forgotten all.
      if (chance(0.02)) promised.delete(to);
      const mine = promised.get(to) ?? -1;
      const isPrepare = what.message_type === 'prepare' && what.round > mine;
      const isProposal = what.message_type === 'propose' && !('sender' in what) && what.round >= mine;
      if (!isPrepare && !isProposal) return;
      const said: Said = {
        message_type: isPrepare ? 'promise' : 'accept',
        sender: to,
        round: what.round,
        ...(isProposal && { value: what.value }),
      };
      if (say(said)) promised.set(to, what.round);
      return;
    }
    if (!('proposer' in what) || what.proposer !== to || what.round !== round.get(to)) return;
    if (what.message_type === 'promise') {
      const value = what.value ?? { of: to };
      history.proposed.push(value);
      say({ message_type: 'propose', sender: to, round: what.round, value });
    }
    if (what.message_type === 'refused') prepare(to, what.highest_round as number);
  };

  const until = (most: number, isOver: () => boolean): void => {
    let old: Said | undefined;
    for (let n = 0; n < most && !isOver(); n++) {
      const dice = random();
      const quiet = inbox.length === 0 && stream.length === 0;
      if (quiet || (faulty && dice < 0.04)) prepare(`p${random.between(0, proposers - 1)}`);
      else if (dice < 0.5 && stream.length > 0) {
        old = stream.shift() as Said;
        decide(old);
      } else if (old && chance(0.1)) decide(old);
      else if (inbox.length > 0) {
        const [letter] = inbox.splice(random.between(0, inbox.length - 1), 1);
        if (letter) hear(letter.to, letter.what);
      }
    }
  };
  return {
    history,
    run: (most: number) => {
      until(most, () => false);
      return history;
    },
    /** Without faults, until it is decided. */
    end: (most: number) => {
      faulty = false;
      until(most, () => history.learned.length > 0);
      return history;
    },
    decide,
    state: () => state,
  };
};
