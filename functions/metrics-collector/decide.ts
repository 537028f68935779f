/**
 * Rolls up what agents and parts of the system measure: by 10 s, by the minute and by the hour.
 *
 * A batch is one write an agent, and batches are 10 s long; each minute of an agent adds two children, each hour one, whatever
 * the number of its metrics. Who measures nothing costs nothing: an alarm closes what the last samples left open.
 * Metrics and heartbeats are core messages: one that is lost is not counted. A health event counts once.
 */
import { type Alarm, type Child, type Context, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import { agentHeartbeat } from '#shared/messages/lifecycle.ts';
import { agentMetric, systemMetric } from '#shared/messages/metrics.ts';
import { health } from '#shared/messages/supervision.ts';
import { agentMetricsKind, CHILD_MS, childName, componentMetricsKind, type Measured } from '#shared/metrics/measured.ts';
import { alarmOf, type Closed, close, NOTHING_MEASURED, take } from './evolve.ts';
import { type Measurement, samplesOf } from './samples.ts';
import type { Settings } from './settings.ts';

export const decide = (measured: Measured | undefined, event: Measurement | Alarm, context: Context<Settings>): Decision<Measured> => {
  if (event.message === 'alarm') return measured ? flush(measured, context) : done();
  const samples = samplesOf(event);
  if (samples.length === 0) return done();
  const before = measured ?? NOTHING_MEASURED;
  const heard = Math.max(before.heard, event.sentAt);
  const { after, closed } = close(before, heard);
  const state = samples.reduce(take, { ...after, heard });
  return done({ state, wakeAt: alarmOf(state), children: closed.map((one) => childOf(one, context.settings)) });
};

const flush = (measured: Measured, { now, wakeAt, settings }: Context<Settings>): Decision<Measured> => {
  if (wakeAt === null || now < wakeAt) return done();
  const { after, closed } = close(measured, now);
  // What was closed may not be opened again.
  const state = { ...after, heard: Math.max(after.heard, now) };
  return done({ state, wakeAt: alarmOf(state), children: closed.map((one) => childOf(one, settings)) });
};

const childOf = ({ resolution, start, buckets }: Closed, { keepMs }: Settings): Child => ({
  name: childName(resolution, start),
  data: buckets,
  expiresAt: start + CHILD_MS[resolution] + keepMs[resolution],
});

export const agentMetrics = defineEntity({
  of: agentMetricsKind,
  accepts: [agentMetric, agentHeartbeat, health],
  id: (event) => event.params.agent_id,
  decide,
});

export const componentMetrics = defineEntity({
  of: componentMetricsKind,
  accepts: [systemMetric],
  id: (event) => event.params.component,
  decide,
});
