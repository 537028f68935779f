/**
 * Barriers across processes: who comes first waits until all parties of the phase came, then all are released at once, and the
 * barrier is there for the next phase (Java's `CyclicBarrier`). A phase that is not complete in time, or one of whose participants
 * dies, is broken for all; a barrier that is told to `reduce` goes on without the dead instead (Java's `Phaser`). Each phase ends
 * once; who comes late to one that is over is told its end again.
 */
import { type Alarm, type Context, type Decision, type Done, defineEntity, done, type Output } from '#shared/entity/entity.ts';
import { barrier } from '#shared/messages/barrier.ts';
import type { Received } from '#shared/messages/message.ts';
import { declared, refusalOf } from './arrival.ts';
import { type Barrier, barrierKind, isNameless, isSame, missingAt, NEW_BARRIER, nameOf, neededBy, type Outcome } from './barrier.ts';
import { over, refused } from './outputs.ts';
import { partyKey, partyKind, withBarrier } from './party.ts';
import type { Settings } from './settings.ts';

/** Phases that a late copy of an arrival does not open again: a client may publish it once more seconds later. */
const MAX_PAST = 20;
const MAX_MISSING = 50;
/** An alarm that is so much too late tells of an outage, in which nobody could arrive: who waits to be heard gets time to be. */
const LATE_MS = 2000;
const CATCH_UP_MS = 30_000;

type Event = Received<typeof barrier>;
type Ctx = Context<Settings>;
type Phase = NonNullable<Barrier['phase']>;

const conclude = ({ now }: Ctx, before: Barrier, after: Barrier, publish: Output[] = []): Done<Barrier> => ({
  outcome: 'done',
  ...(after !== before && { state: { ...after, at: now } }),
  ...(publish.length > 0 && { publish }),
  wakeAt: after.phase?.deadline ?? null,
});

/** The end of the phase under way. */
const end = (open: Barrier, how: Pick<Outcome, 'status' | 'missing' | 'code' | 'reason'>, { now }: Ctx): [Barrier, Outcome] => {
  const { name, arrived } = open.phase as Phase;
  const outcome = { generation: open.generation, name, parties: neededBy(open), arrived: arrived.length, ...how, at: now };
  const expected = open.isNamed || how.status === 'broken' ? open.expected : arrived.map(({ agent }) => agent);
  return [{ ...open, expected, phase: null, past: [...open.past, outcome].slice(-MAX_PAST) }, outcome];
};

const isComplete = (open: Barrier): boolean => {
  const needed = neededBy(open);
  return open.phase !== null && needed !== null && open.phase.arrived.length >= needed;
};

const settle = (before: Barrier, open: Barrier, context: Ctx) => {
  if (!isComplete(open)) return conclude(context, before, open);
  const [after, outcome] = end(open, { status: 'released' }, context);
  return conclude(context, before, after, [over(context.id, outcome)]);
};

const breakOff = (before: Barrier, open: Barrier, missing: string[], why: { code: string; reason: string }, context: Ctx) => {
  const [after, outcome] = end(open, { status: 'broken', missing: missing.slice(0, MAX_MISSING), ...why }, context);
  return conclude(context, before, after, [over(context.id, outcome)]);
};

const isExpected = ({ expected }: Barrier, participant: string): boolean => expected.length === 0 || expected.includes(participant);

/** With the participant at its phase, a new one where none is under way. Somebody new takes the place of one that is gone. */
const arrived = (barrier: Barrier, { body, sentAt }: Event, { now, settings }: Ctx): Barrier => {
  const { participant } = body;
  const name = nameOf(body);
  const fresh: Phase = { name, arrived: [], since: now, deadline: now + (barrier.timeout ?? settings.timeout) };
  const phase = barrier.phase ?? fresh;
  return {
    ...barrier,
    generation: barrier.phase ? barrier.generation : barrier.generation + 1,
    gone: isExpected(barrier, participant) ? barrier.gone.filter((agent) => agent !== participant) : barrier.gone.slice(1),
    phase: { ...phase, name: isNameless(phase.name) ? name : phase.name, arrived: [...phase.arrived, { agent: participant, at: sentAt }] },
  };
};

const arrive = (before: Barrier, event: Event, context: Ctx): Decision<Barrier> => {
  const { body } = event;
  const { id, now } = context;
  const name = nameOf(body);
  const past = isNameless(name) ? undefined : before.past.findLast((one) => isSame(one.name, name));
  if (past) return conclude(context, before, before, [over(id, past)]);
  const refusal = refusalOf(id, before, name, body);
  if (refusal) return conclude(context, before, before, [refused(id, name, body.participant, refusal)]);
  if (before.phase?.arrived.some(({ agent }) => agent === body.participant)) return conclude(context, before, before);
  const decision = settle(before, arrived(declared(before, body), event, context), context);
  const party = withBarrier(context.also(partyKind, body.participant), id, now);
  return { ...decision, ...(party && { also: { [partyKey(body.participant)]: party } }) };
};

/** What it did after it was said to be gone is another incarnation's. */
const leave = (before: Barrier, participant: string, goneAt: number, context: Ctx): Decision<Barrier> => {
  const came = before.phase?.arrived.find(({ agent }) => agent === participant);
  // Others than those of the phase before came: it is not known to be one of them.
  const isOldCrew = before.phase?.arrived.every(({ agent }) => isExpected(before, agent)) ?? true;
  const isAwaited = isOldCrew && before.expected.includes(participant) && !before.gone.includes(participant);
  if (came ? came.at > goneAt : !isAwaited) return conclude(context, before, before);
  const breakFor = (open: Barrier) => {
    if (!open.phase) return conclude(context, before, open);
    const missing = [...new Set([participant, ...missingAt(open)])];
    return breakOff(before, open, missing, { code: 'participant_gone', reason: `participant ${participant} is gone` }, context);
  };
  if (before.onDeath === 'break') return breakFor(before);
  const phase = before.phase && { ...before.phase, arrived: before.phase.arrived.filter((one) => one !== came) };
  const gone = [...before.gone, participant];
  // Nobody is left: the next crew begins anew.
  if (gone.length === before.parties) return breakFor({ ...before, phase, gone: [], expected: before.isNamed ? before.expected : [] });
  return settle(before, { ...before, phase, gone }, context);
};

const wake = (before: Barrier, context: Ctx): Decision<Barrier> => {
  const { now, wakeAt } = context;
  if (!before.phase || wakeAt === null || now < wakeAt) return done();
  if (now - wakeAt > LATE_MS) return done({ wakeAt: now + CATCH_UP_MS });
  const needed = neededBy(before);
  const came = before.phase.arrived.length;
  const reason =
    needed === null ? `${came} came, and nobody said for how many they wait: say it in parties` : `${came} of ${needed} came in time`;
  return breakOff(before, before, missingAt(before), { code: 'timed_out', reason }, context);
};

export const decide = (known: Barrier | undefined, event: Event | Alarm, context: Ctx): Decision<Barrier> => {
  const before = known ?? NEW_BARRIER;
  switch (event.message) {
    case 'barrier':
      return event.body.gone_at === undefined
        ? arrive(before, event, context)
        : leave(before, event.body.participant, Date.parse(event.body.gone_at), context);
    case 'alarm':
      return wake(before, context);
    default:
      throw event satisfies never;
  }
};

export const barriers = defineEntity({
  of: barrierKind,
  accepts: [barrier],
  id: (event) => event.body.barrier_id,
  decide,
  also: (_, event) => (event.message === 'barrier' && event.body.gone_at === undefined ? [partyKey(event.body.participant)] : []),
});
