/** What an arrival contradicts, and the barrier as it declares it. Pure. */
import type { Barrier as Arrival } from '#shared/messages/barrier.ts';
import { type Barrier, isNameless, isSame, type Name } from './barrier.ts';

const MAX_PARTIES = 500;
const MAX_TIMEOUT_MS = 24 * 3_600_000;

export type Refusal = { code: string; reason: string };

const fits = (a: Name, b: Name): boolean => isNameless(a) || isNameless(b) || isSame(a, b);

const describe = ({ sync_id, phase }: Name): string => [phase, sync_id && `of ${sync_id}`].filter(Boolean).join(' ');

/** Undefined: it may arrive. */
export const refusalOf = (id: string, barrier: Barrier, name: Name, body: Arrival): Refusal | undefined => {
  const { participant, participants } = body;
  const parties = body.parties ?? participants?.length;
  const { phase } = barrier;
  if (parties !== undefined && parties > MAX_PARTIES)
    return {
      code: 'too_many_parties',
      reason: `barrier ${id} would have ${parties} parties, ${MAX_PARTIES} is the limit: use several barriers`,
    };
  if (participants && (parties !== participants.length || new Set(participants).size !== parties))
    return {
      code: 'parties_conflict',
      reason: `${participant} names ${participants.length} participants of barrier ${id} and ${parties} parties: name each once`,
    };
  if (phase && !fits(phase.name, name)) {
    const reason = `barrier ${id} is at phase ${describe(phase.name)}, ${participant} came to ${describe(name)}: wait until that is released`;
    return { code: 'phase_conflict', reason };
  }
  if (phase && parties !== undefined && barrier.parties !== null && parties !== barrier.parties)
    return {
      code: 'parties_conflict',
      reason: `barrier ${id} has ${barrier.parties} parties, ${participant} says ${parties}: say the same, or nothing`,
    };
  const { expected, isNamed } = declared(barrier, body);
  if (isNamed && !expected.includes(participant))
    return {
      code: 'not_a_party',
      reason: `${participant} is none of the participants of barrier ${id}: name it in participants, or let it stay away`,
    };
  if (barrier.parties === null && (phase?.arrived.length ?? 0) >= MAX_PARTIES)
    return { code: 'too_many_parties', reason: `${MAX_PARTIES} wait at barrier ${id} and nobody said for how many: say it in parties` };
  return undefined;
};

/** What is not said stays as it was; what is said of a phase under way only adds to it. */
export const declared = (barrier: Barrier, { parties, participants, on_death, timeout_ms }: Arrival): Barrier => {
  const isOpen = barrier.phase !== null;
  const named = participants && !(isOpen && barrier.isNamed) ? { expected: participants, isNamed: true } : {};
  const count = parties ?? participants?.length;
  const resized = !isOpen && count !== undefined && count !== barrier.parties;
  return {
    ...barrier,
    ...(count !== undefined && { parties: count }),
    ...(resized && { gone: [], expected: [], isNamed: false }),
    ...named,
    ...(on_death && { onDeath: on_death }),
    ...(timeout_ms !== undefined && { timeout: Math.min(timeout_ms, MAX_TIMEOUT_MS) }),
  };
};
