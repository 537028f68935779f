/**
 * One run: the plan's messages and faults against the real engine and the real dispatcher, then calm until everything has
 * drained, then the judgement.
 */
import type { Store } from '#shared/entity/store.ts';
import { SWEEP_GRACE_MS } from '#shared/entity/working.ts';
import type { Bed } from './bed.ts';
import { later } from './bed.ts';
import { type BridgeAttack, createBridges, createCore } from './bridges.ts';
import { type Bus, createBus } from './bus.ts';
import { createHost } from './host.ts';
import { judge } from './judge.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { memoryStore, memoryTable } from './memory-store.ts';
import { FAULTS_END, type Fault, type FaultName, type Plan } from './plan.ts';
import { seeded } from './random.ts';
import { createSchedules, type Schedules } from './schedules.ts';
import { createStream } from './stream.ts';
import { type VirtualTime, virtualTime } from './virtual-time.ts';

/** A rule switched off from outside. */
export type Attack = BridgeAttack & {
  store?: (store: Store) => Store;
  /** ms that the server waits for an ack, whatever the bridge was told. */
  ackWait?: number;
  unguardedTimers?: boolean;
};

export type World = {
  plan: Plan;
  ledger: Ledger;
  bus: Bus;
  schedules: Schedules;
  /** When the consumer lost its state for the last time. */
  consumerLostStateAt: number;
};

export type Report = { violations: string[]; trace: string[] };

const DRAIN_MS = 180_000;

export const simulate = async (
  plan: Plan,
  { attack = {}, traced = false }: { attack?: Attack; traced?: boolean } = {},
): Promise<Report> => {
  const time = virtualTime();
  const faults = createFaults(time);
  const trace: string[] = [];
  const bed: Bed = {
    time,
    random: seeded(plan.seed ^ 0x5eed),
    spoilt(what) {
      const fault = faults.take(what);
      if (fault) bed.log(() => `FAULT: ${what}`);
      return fault?.x;
    },
    log: (line) => void (traced && trace.push(`${String(faults.elapsed()).padStart(6)}  ${line()}`)),
  };
  const events = createStream(bed, 'EVENTS', attack.ackWait);
  const alarms = createStream(bed, 'TIMERS');
  const schedules = createSchedules(bed, alarms, { guarded: !attack.unguardedTimers });
  const bus = createBus(bed, schedules);
  const table = memoryTable();
  const core = createCore(bed);
  const ledger = createLedger(bed, { events, core, table });
  const host = createHost(bed, {
    table,
    skew: plan.skew.function,
    landed: ledger.landed,
    ...(attack.store && { wrapStore: attack.store }),
  });
  const bridges = createBridges(bed, { plan, attack, events, alarms, core, invoker: host.invoker, publisher: bus.publisher });
  const world: World = { plan, ledger, bus, schedules, consumerLostStateAt: -Infinity };

  const strike = (fault: Fault) => {
    const { what, x } = fault;
    const told = (more = '') => bed.log(() => `FAULT: ${what}${more}`);
    switch (what) {
      case 'the bridge crashes':
        told();
        return bridges.crash(x);
      case 'the bridge is restarted':
        told();
        return bridges.restart();
      case 'two bridges own it':
        // Order needs one owner.
        if (plan.ordered) return;
        told();
        return bridges.overlap(100 + Math.round(x * 2500));
      case 'the consumer is reset':
        return bridges.restart(() => {
          const from = 1 + Math.floor(x * (events.last() + 1));
          told(`, floor ${events.floor()}, it begins at ${from}`);
          world.consumerLostStateAt = time.now();
          events.reset(from);
          ledger.reset(from);
        });
      case 'the consumer loses its state': {
        const before = events.floor();
        const after = events.loseConsumerState(x);
        told(`, floor ${before} becomes ${after}`);
        world.consumerLostStateAt = time.now();
        return;
      }
      case 'the stream loses its tail': {
        const lost = events.loseTail(1 + Math.floor(x * 4));
        told(`: ${lost.map(({ sequence }) => sequence).join(' ')}`);
        return ledger.lose(lost, 'with the tail');
      }
      case 'the stream is made anew':
        told();
        return ledger.lose(events.makeAnew(), 'with the stream');
      case 'a stray alarm goes off':
        told();
        return schedules.stray(`counter.${'abc'[Math.floor(x * 3)]}`);
      default:
        faults.wait(fault);
    }
  };

  const isQuiet = () =>
    faults.isOver() && events.isDrained() && alarms.isDrained() && schedules.isEmpty() && bridges.isIdle() && host.isIdle();

  /** What the reconciler does: whoever is overdue is woken by an alarm. */
  const sweep = async (): Promise<boolean> => {
    await time.advance(2 * SWEEP_GRACE_MS);
    for (const key of await memoryStore({ table, clock: time.clock() }).overdue(time.now(), 10)) {
      bed.log(() => `the sweep wakes ${key}`);
      schedules.stray(key.replace('#', '.'));
    }
    return time.runUntil(isQuiet, DRAIN_MS);
  };

  bridges.start();
  for (const message of plan.messages) later(bed, message.at, () => ledger.publish(message));
  for (const fault of plan.faults) later(bed, fault.at, () => strike(fault));
  if (!(await time.runUntil(isQuiet, DRAIN_MS))) return { violations: ['it does not drain'], trace };
  const violations = judge(world, { swept: false });
  if (needsSweep(ledger)) violations.push(...((await sweep()) ? judge(world, { swept: true }) : ['it does not drain after the sweep']));
  bridges.end();
  return { violations: [...new Set(violations)], trace };
};

/** There are records that no redelivery will bring: they came without a stream, or the stream lost them. */
const needsSweep = ({ published }: Ledger): boolean =>
  [...published.values()].some((all) => all.some(({ lost, message }) => lost || message.via === 'core'));

/** Faults whose time has come, and that wait for the operation which they spoil. */
const createFaults = (time: VirtualTime) => {
  const began = time.now();
  const waiting = new Map<FaultName, Fault[]>();
  const elapsed = () => time.now() - began;
  const isOver = () => elapsed() > FAULTS_END;
  return {
    elapsed,
    isOver,
    wait: (fault: Fault) => void waiting.set(fault.what, [...(waiting.get(fault.what) ?? []), fault]),
    take: (what: FaultName) => (isOver() ? undefined : waiting.get(what)?.shift()),
  };
};
