/**
 * An election in virtual time, from a seed: the candidates of `election-candidates.ts`, and a bus and a function that lose, delay, repeat, reorder, fail after the write, and disagree about the time by no more than they may.
 */
import { settings } from '#functions/election/settings.ts';
import type { Output } from '#shared/entity/entity.ts';
import { controlElectionResign } from '#shared/messages/control-coordination.ts';
import { leaderElection } from '#shared/messages/election.ts';
import { agentDraining, agentStopped } from '#shared/messages/lifecycle.ts';
import type { AnyMessage, Received } from '#shared/messages/message.ts';
import { failure } from '#shared/messages/supervision.ts';
import { buildSubject } from '#shared/subjects.ts';
import { eventQueue } from '../sim/event-queue.ts';
import { seeded } from '../sim/random.ts';
import { electionCandidates } from './election-candidates.ts';
import type { History } from './election-history.ts';
import { electionTable, type Mutant } from './election-table.ts';

const DOMAIN = 'nlp';
const START = Date.UTC(2026, 0, 1);

export type Faults = {
  /** Share of what is said that is lost. */ loss: number;
  repeat: number;
  slow: number;
  failedWrites: number;
  crashes: number;
  clocks: number;
  /** Clocks that are off by half a minute, and leases that end earlier or later than they may by their leader's. */ jumps: number;
  /** The table is what it was a while ago. */ restores: number;
};
export const NO_FAULTS: Faults = { loss: 0, repeat: 0, slow: 0, failedWrites: 0, crashes: 0, clocks: 0, jumps: 0, restores: 0 };

type Options = {
  seed: number;
  candidates: number;
  faults: Faults;
  /** Faults end then, and everything ends `quietMs` later. */
  faultyMs: number;
  quietMs: number;
  mutant?: Mutant;
  environment?: Record<string, string>;
};

export const simulateElection = (options: Options) => {
  const { seed, faults, faultyMs, quietMs, mutant, environment = {} } = options;
  const random = seeded(seed);
  const chance = (share: number) => share > 0 && random() < share;
  const rules = settings.parse({});
  const table = electionTable(settings.parse(environment), mutant);
  const history: History = { tenures: [], announced: [] };
  const queue = eventQueue<() => void>();
  let now = START;
  let downUntil = 0;

  const faulty = () => now < START + faultyMs;
  const share = (of: keyof Faults) => (faulty() ? faults[of] : 0);
  const later = (ms: number, run: () => void): void => queue.put(now + Math.max(0, ms), run);

  const delay = () => (chance(share('slow')) ? random.between(100, 8000) : random.between(1, 20));
  const jump = () => (chance(share('jumps')) ? random.between(-30_000, 30_000) : 0);
  /** A clock that is off by at most 40% of what they may be apart, where none jumps. */
  const skewed = () => now + (chance(share('clocks')) ? random.between(-0.4 * rules.skewMs, 0.4 * rules.skewMs) : 0) + jump();

  const make = (message: AnyMessage, params: Record<string, string>, body: object, reply?: string): Received<AnyMessage> =>
    ({
      message: message.name,
      subject: buildSubject(message.subject as string, params),
      params,
      body,
      headers: {},
      sentAt: now,
      ...(reply && { reply }),
    }) as never;

  const candidates = electionCandidates({
    count: options.candidates,
    random,
    now: () => now,
    later,
    jump,
    say: (message, agent_id, inbox) => arrive(make(message, { domain: DOMAIN }, { agent_id }, inbox)),
    ended: (tenure) => history.tenures.push(tenure),
  });

  // The bus and the function.
  const publish = (outputs: readonly Output[]): void => {
    for (const { subject, body } of outputs) if (!chance(share('loss'))) later(delay(), () => candidates.hear(subject, body as never));
  };
  let alarm: number | null = null;
  const setAlarm = (): void => {
    const due = table.wakeAt(DOMAIN);
    if (due === null || due === alarm) return;
    alarm = due;
    const late = chance(share('slow')) ? random.between(0, 20_000) : random.between(0, 250);
    later(due - skewed() + late, () => {
      if (alarm === due) alarm = null;
      if (now < downUntil) return;
      run((lands) => table.ring(DOMAIN, due, skewed(), lands));
      setAlarm();
    });
  };
  const run = (decide: (lands: boolean) => ReturnType<typeof table.tell>): void => {
    if (now < downUntil) return;
    // The write conflicts or fails: nothing of the decision is, and the record is decided again.
    while (chance(share('failedWrites'))) decide(false);
    const { publish: outputs = [] } = decide(true);
    for (const { subject, body } of outputs) if (subject.endsWith('.leader')) history.announced.push(body as never);
    setAlarm();
    // What was written and not said is said by the next one, or by the sweep.
    if (chance(share('failedWrites'))) later(random.between(1000, 60_000), () => publish(outputs));
    else publish(outputs);
    if (chance(share('repeat'))) later(random.between(0, 30_000), () => publish(outputs));
  };
  const arrive = (event: Received<AnyMessage>, durable = false): void => {
    if (!durable && chance(share('loss'))) return;
    const receive = () => run((lands) => table.tell(durable ? event : { ...event, sentAt: skewed() }, skewed(), lands));
    later(delay(), receive);
    if (chance(share('repeat'))) later(delay() + random.between(0, 5000), receive);
  };

  const leave = (id: string): void => {
    const how = random.between(0, 3);
    if (how === 0) arrive(make(agentStopped, { agent_id: id }, { agent_id: id }), true);
    if (how === 1) arrive(make(failure, { severity: 'high' }, { agent_id: id, failure_type: 'process_crash' }), true);
    if (how === 2) arrive(make(leaderElection, { domain: DOMAIN }, { message_type: 'resign', candidate: id, term: 0 }), true);
    candidates.crash(id);
    later(how === 2 ? 100 : random.between(100, chance(0.5) ? 1000 : 30_000), () => candidates.start(id));
  };
  let restore = table.backup();
  /** Which takes a while. */
  const putBack = (): void => {
    restore();
    downUntil = now + 2000;
    alarm = null;
    later(2000, setAlarm);
  };
  const disturb = (): void => {
    if (!faulty()) return;
    const leader = chance(0.7) ? candidates.leaders()[0] : undefined;
    const id = leader ?? random.pick(candidates.ids);
    if (chance(faults.crashes) && candidates.isUp(id)) leave(id);
    if (chance(faults.crashes / 10)) arrive(make(agentDraining, { agent_id: id }, { agent_id: id }), true);
    if (chance(faults.restores)) restore = table.backup();
    if (chance(faults.restores)) putBack();
    if (chance(faults.crashes / 3)) arrive(make(controlElectionResign, {}, { domain: DOMAIN }));
    if (chance(faults.crashes / 3)) run((lands) => table.ring(DOMAIN, now - 100_000, skewed(), lands));
    later(random.between(500, 10_000), disturb);
  };

  for (const id of candidates.ids) later(random.between(0, 12_000), () => candidates.start(id));
  later(random.between(1000, 10_000), disturb);
  const runUntil = (time: number): void => {
    for (let next = queue.take(); next; next = queue.take()) {
      if (next.at > time) {
        queue.put(next.at, next.event);
        break;
      }
      now = next.at;
      next.event();
    }
    now = time;
  };
  runUntil(START + faultyMs + quietMs);
  const leaders = candidates.leaders();
  return {
    history,
    table,
    /** Who leads, as it believes itself. */
    leaders,
    crash: candidates.crash,
    leadersNow: candidates.leaders,
    runUntil: (ms: number) => runUntil(now + ms),
    finish: () => {
      candidates.finish();
      return history;
    },
  };
};
