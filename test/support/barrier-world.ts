/**
 * Participants of one barrier in virtual time, from a seed: messages are lost, late, doubled and overtaken, participants die and
 * come back. They go through named phases, and ask again until they are told the end of theirs.
 */
import { barriers } from '#functions/barrier/decide.ts';
import { parties } from '#functions/barrier/party.ts';
import { settings } from '#functions/barrier/settings.ts';
import type { AnySpec } from '#shared/entity/entity.ts';
import type { EntityKey } from '#shared/entity/key.ts';
import type { BarrierReleased } from '#shared/messages/barrier.ts';
import { eventQueue } from '#test/sim/event-queue.ts';
import { seeded } from '#test/sim/random.ts';
import { START } from './decide.ts';
import { type Decided, entityHost } from './entity-host.ts';

export type BarrierPlan = {
  participants: number;
  phases: number;
  onDeath: 'break' | 'reduce';
  /** `jumps`: of the clocks of functions, ms at most. */
  faults: { loss: number; doubled: number; delay: number; deaths: number; jumps: number };
};

const RESEND_MS = 400;
const TIMEOUT_MS = 20_000;
const LIMIT_MS = 400_000;

export const runBarrier = (seed: number, plan: BarrierPlan, spec: AnySpec = barriers as AnySpec) => {
  const random = seeded(seed);
  const host = entityHost([spec, parties as AnySpec], settings.parse({}));
  const queue = eventQueue<() => void>();
  const ids = Array.from({ length: plan.participants }, (_, n) => `a${n}`);
  const at = new Map(ids.map((id) => [id, 0]));
  const dead = new Set<string>();
  /** By phase: who said so that it came, and how it ended. */
  const came = Array.from({ length: plan.phases }, () => new Set<string>());
  const ends = new Map<string, string>();
  const problems: string[] = [];
  let deaths = 0;
  let now = 0;

  const later = (ms: number, run: () => void): void => queue.put(now + ms, run);
  const delay = (): number => random.between(1, plan.faults.delay);
  const clock = (): number => START + now + random.between(-plan.faults.jumps, plan.faults.jumps);

  const send = (message: object, isSure = false): void => {
    const lost = !isSure && random() < plan.faults.loss;
    const copies = lost ? 0 : !isSure && random() < plan.faults.doubled ? 2 : 1;
    for (let n = 0; n < copies; n++)
      later(isSure ? 0 : delay(), () => {
        const sentAt = START + now;
        later(delay(), () => decided(host.tell({ ...message, headers: {}, sentAt }, clock())));
      });
  };

  const ended = ({ phase, status, generation, arrived, parties: needed }: BarrierReleased): void => {
    const end = `${status} ${generation}`;
    if (ends.has(phase as string) && ends.get(phase as string) !== end)
      problems.push(`phase ${phase} ended ${ends.get(phase as string)} and ${end}`);
    ends.set(phase as string, end);
    const real = came[Number(phase)]?.size ?? 0;
    if (status === 'released' && deaths === 0 && real < plan.participants) problems.push(`phase ${phase} is released for ${real}`);
    if (status === 'released' && (arrived ?? 0) < (needed ?? Infinity))
      problems.push(`phase ${phase} is released for ${arrived} of ${needed}`);
    if (status === 'released' && (arrived ?? 0) > real) problems.push(`phase ${phase} counts ${arrived} of ${real}`);
    if (status === 'refused') problems.push(`phase ${phase}: somebody is refused`);
  };

  const decided = ({ key, publish }: Decided): void => {
    for (const { subject, body } of publish) {
      if (subject.startsWith('coordination.sync.barrier')) send({ message: 'barrier', params: {}, body }, true);
      else {
        ended(body as BarrierReleased);
        for (const id of ids) if (random() >= plan.faults.loss) later(delay(), () => hear(id, body as BarrierReleased));
      }
    }
    setTimer(key);
  };

  const timers = new Map<EntityKey, number>();
  const setTimer = (key: EntityKey): void => {
    const turn = (timers.get(key) ?? 0) + 1;
    timers.set(key, turn);
    const due = host.dueAt(key) - START;
    if (due === Infinity) return;
    later(Math.max(1, due - now) + random.between(0, 300), () => {
      if (timers.get(key) === turn) decided(host.ring(key, Math.max(clock(), START + due)));
    });
  };

  const hear = (id: string, { phase }: BarrierReleased): void => {
    if (!dead.has(id) && phase === String(at.get(id))) at.set(id, Number(phase) + 1);
  };

  const step = (id: string): void => {
    const phase = at.get(id) as number;
    if (phase >= plan.phases) return;
    if (!dead.has(id) && now < plan.phases * 2000 && random() < plan.faults.deaths) die(id);
    if (!dead.has(id)) {
      came[phase]?.add(id);
      const limits = { parties: plan.participants, on_death: plan.onDeath, timeout_ms: TIMEOUT_MS };
      send({ message: 'barrier', params: {}, body: { barrier_id: 'b1', participant: id, phase: String(phase), ...limits } });
    }
    later(random.between(RESEND_MS / 2, RESEND_MS), () => step(id));
  };

  const die = (id: string): void => {
    dead.add(id);
    deaths++;
    later(random.between(1, 1000), () => send({ message: 'agentStopped', body: { agent_id: id } }, true));
    later(random.between(1500, 4000), () => dead.delete(id));
  };

  for (const id of ids) later(random.between(0, 1000), () => step(id));
  for (let next = queue.take(); next && next.at <= LIMIT_MS; next = queue.take()) {
    now = next.at;
    next.event();
  }
  for (const [id, phase] of at) if (phase < plan.phases) problems.push(`${id} waits for phase ${phase} for ever`);
  return { problems, deaths, ends: [...ends.values()] };
};
