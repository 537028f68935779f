/**
 * A fleet that beats, in virtual time: how soon the health monitor notices a crash, how often it is mistaken, and what the
 * table is written. The decisions are the product's, and so is the rhythm that the bridge measures; what lies between them
 * (delays, losses, the timers' lateness) is drawn at random, the same for the same seed.
 */
import { agents as registry } from '#functions/agent-registry/decide.ts';
import { settings as registrySettings } from '#functions/agent-registry/settings.ts';
import { healths } from '#functions/health-monitor/decide.ts';
import type { Health } from '#functions/health-monitor/health.ts';
import { settings as healthSettings } from '#functions/health-monitor/settings.ts';
import { measureRhythms } from '#infra/bridge/dispatch/rhythm.ts';
import type { Alarm, AnySpec, Decision } from '#shared/entity/entity.ts';
import { keyOf } from '#shared/entity/key.ts';
import { healthAnswer } from '#shared/messages/health-check.ts';
import { agentHeartbeat } from '#shared/messages/lifecycle.ts';
import type { AnyMessage } from '#shared/messages/message.ts';
import { health as healthMessage } from '#shared/messages/supervision.ts';
import { eventQueue } from './event-queue.ts';
import { seeded } from './random.ts';

export type Fleet = {
  agents: number;
  /** How long they are watched, ms; crashes happen in the second half of it. */
  durationMs: number;
  intervalMs: number;
  /** A heartbeat is sent so much earlier or later, at most, ms. */
  jitterMs: number;
  /** Of the heartbeats, 0 to 1: so many are delayed, evenly up to `delayMs`; so many are lost. */
  delayed: number;
  delayMs: number;
  lost: number;
  /** Whether agents answer when they are asked. */
  answers: boolean;
  /** Of the agents, 0 to 1: so many crash, and do not come back. */
  crashes: number;
  /** Variables of health-monitor's environment. */
  environment?: Record<string, string>;
  seed: number;
};

export type FleetReport = {
  /** From a crash to the verdict, ms, shortest first. */
  detections: number[];
  /** From the last sign of life that arrived to the verdict, ms: the fixed rule bounds it. */
  silences: number[];
  undetected: number;
  /** Verdicts on agents that live. */
  mistakes: number;
  mistakenAgents: number;
  mistakesPerAgentAndDay: number;
  suspicions: number;
  /** Of both functions and the sweep, while nothing changes: suspicions, verdicts and returns are not in it, nor the first `WARM_UP_MS`. */
  writesPerAgentAndMinute: number;
};

/** Until every agent is known and its rhythm is. */
export const WARM_UP_MS = 600_000;
/** As measured: due alarms come so late at most. */
const ALARM_LATE_MS = 250;
const START = Date.UTC(2026, 0, 1);

type Simulated = 'beat' | 'arrival' | 'answer' | { alarm: number; due: number };
type Entity = { state: unknown; wakeAt: number | null; alarm: number; quietWrites: number };

export const simulateFleet = (fleet: Fleet): FleetReport => {
  const random = seeded(fleet.seed);
  const rhythms = measureRhythms();
  const settings = { health: healthSettings.parse(fleet.environment ?? {}), registry: registrySettings.parse({}) };
  const end = START + fleet.durationMs;
  const newEntity = (): Entity => ({ state: undefined, wakeAt: null, alarm: 0, quietWrites: 0 });
  const all = Array.from({ length: fleet.agents }, (_, n) => ({
    id: `agent-${n}`,
    health: newEntity(),
    registry: newEntity(),
    crashedAt: n < fleet.crashes * fleet.agents ? Math.round(START + fleet.durationMs * (0.5 + 0.4 * random())) : Infinity,
    lastArrival: START,
    mistakes: 0,
    detected: false,
  }));
  const report: FleetReport = {
    detections: [],
    silences: [],
    undetected: 0,
    mistakes: 0,
    mistakenAgents: 0,
    mistakesPerAgentAndDay: 0,
    suspicions: 0,
    writesPerAgentAndMinute: 0,
  };
  let quietWrites = 0;
  type One = (typeof all)[number];
  const queue = eventQueue<{ one: One; what: Simulated }>();
  const put = (at: number, one: One, what: Simulated): void => queue.put(Math.round(at), { one, what });

  const decide = (
    spec: AnySpec,
    entity: Entity,
    one: One,
    event: object,
    now: number,
    of: unknown,
  ): Extract<Decision<unknown>, { outcome: 'done' }> => {
    const context = {
      now,
      id: one.id,
      recordId: `r@0:1:${now}`,
      newId: () => 'id',
      wakeAt: entity.wakeAt,
      settings: of,
      also: () => undefined,
    };
    const decision = spec.decide(entity.state, event, { ...context, view: undefined, children: new Map() });
    if (decision.outcome !== 'done') throw new Error(`${one.id}: ${decision.outcome}`);
    const writes = decision.state !== undefined || (decision.wakeAt !== undefined && decision.wakeAt !== entity.wakeAt);
    const isQuiet = !decision.publish?.some(({ subject }) => !subject.startsWith('$KV')) && wasQuiet(entity.state);
    // The first one after the warm-up only begins the count.
    // What publishes is written once more, when the sweep lets go of its outputs.
    if (writes && isQuiet && now > START + WARM_UP_MS && entity.quietWrites++ > 0) quietWrites += decision.publish?.length ? 2 : 1;
    if (decision.state !== undefined) entity.state = decision.state;
    if (decision.wakeAt !== undefined) entity.wakeAt = decision.wakeAt;
    return decision;
  };

  const judge = (one: One, event: object, now: number): void => {
    const { health } = one;
    const decision = decide(healths as AnySpec, health, one, event, now, settings.health);
    health.alarm++;
    const due = health.wakeAt === null ? Infinity : Math.min(decision.checkAt ?? Infinity, health.wakeAt);
    if (due < end) put(due + random() * ALARM_LATE_MS, one, { alarm: health.alarm, due });
    for (const { subject, body } of decision.publish ?? []) hear(one, subject, body, now);
  };

  const hear = (one: One, subject: string, body: unknown, now: number): void => {
    if (subject.startsWith('health.check')) {
      report.suspicions++;
      if (fleet.answers && now < one.crashedAt) put(now + 5, one, 'answer');
    }
    if (!subject.startsWith('supervision.health')) return;
    decide(registry as AnySpec, one.registry, one, received(healthMessage, one.id, body as object, now), now, settings.registry);
    if ((body as { status: { state: string } }).status.state !== 'unresponsive') return;
    if (now < one.crashedAt) {
      report.mistakes++;
      if (one.mistakes++ === 0) report.mistakenAgents++;
      return;
    }
    report.detections.push(now - one.crashedAt);
    report.silences.push(now - one.lastArrival);
    one.detected = true;
  };

  const happen = (one: One, what: Simulated, at: number): void => {
    if (what === 'beat') {
      if (at >= one.crashedAt || at >= end) return;
      const delay = random() < fleet.delayed ? random() * fleet.delayMs : 1;
      if (random() >= fleet.lost) put(at + delay, one, 'arrival');
      put(at + fleet.intervalMs + (2 * random() - 1) * fleet.jitterMs, one, 'beat');
    } else if (what === 'arrival') {
      one.lastArrival = at;
      const rhythm = rhythms.arrived(one.id, at);
      const beat = { ...received(agentHeartbeat, one.id, { status: 'ready', current_load: 0.5 }, at), ...(rhythm && { rhythm }) };
      judge(one, beat, at);
      decide(registry as AnySpec, one.registry, one, beat, at, settings.registry);
    } else if (what === 'answer') judge(one, received(healthAnswer, one.id, {}, at), at);
    else if (what.alarm === one.health.alarm) judge(one, alarm(one.id, what.due), at);
  };

  for (const one of all) put(START + random() * fleet.intervalMs, one, 'beat');
  for (let next = queue.take(); next && next.at < end; next = queue.take()) {
    happen(next.event.one, next.event.what, next.at);
  }

  const lived = all.reduce((sum, { crashedAt }) => sum + Math.min(crashedAt, end) - START, 0);
  const quiet = all.reduce((sum, { crashedAt }) => sum + Math.max(0, Math.min(crashedAt, end) - START - WARM_UP_MS), 0);
  report.detections.sort((a, b) => a - b);
  report.silences.sort((a, b) => a - b);
  report.undetected = all.filter(({ crashedAt, detected }) => crashedAt < end && !detected).length;
  report.mistakesPerAgentAndDay = report.mistakes / (lived / 86_400_000);
  report.writesPerAgentAndMinute = quiet === 0 ? 0 : quietWrites / (quiet / 60_000);
  return report;
};

const wasQuiet = (state: unknown): boolean => {
  const watch = (state as Partial<Health> | undefined)?.watch;
  return watch === undefined || watch === 'alive';
};

const received = (message: AnyMessage, agent_id: string, body: object, sentAt: number) => ({
  message: message.name,
  subject: '',
  params: { agent_id },
  body: { ...body, agent_id },
  headers: {},
  sentAt,
});

/** The check that was set last. */
const alarm = (id: string, due: number): Alarm => ({
  message: 'alarm',
  due,
  key: keyOf('health', id),
});
