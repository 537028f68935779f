/**
 * Finds patterns in an agent's own metrics: performance_degradation and resource_exhaustion. docs/supervision.md says how. Its
 * episodes go on until the metrics are back, or the agent has said nothing for long.
 */
import { type Alarm, type Context, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import type { Received } from '#shared/messages/message.ts';
import { health } from '#shared/messages/supervision.ts';
import { degradationOf, hasRecovered } from './degradation.ts';
import { type Episode, joined } from './episode.ts';
import { report } from './outputs.ts';
import { exhaustionOf, isRelieved } from './running-out.ts';
import type { Settings } from './settings.ts';
import { sampled, type Vitals, vitalsKind } from './vitals.ts';

/** An agent may report less often than failures come. */
const QUIET_TIMES = 5;

export const watch = (before: Vitals | undefined, event: Received<typeof health> | Alarm, context: Context<Settings>): Decision<Vitals> => {
  const { settings, now, wakeAt, id } = context;
  if (event.message === 'alarm') {
    const due = wakeAt !== null && now >= wakeAt;
    return before && due ? say(before, (episode) => now >= episode.lastAt + QUIET_TIMES * settings.quietMs, context) : done();
  }
  const { metrics } = event.body;
  const last = before?.samples.at(-1)?.[0] ?? Number.NEGATIVE_INFINITY;
  if (!metrics || event.sentAt < last + settings.sampleMs) return done();
  const vitals = sampled(before, event.sentAt, metrics);
  const { performance_degradation, resource_exhaustion } = settings.rules;
  const slow = vitals.episodes.find(({ pattern }) => pattern === 'performance_degradation');
  const findings = [degradationOf(vitals, id, performance_degradation, slow), exhaustionOf(vitals, id, resource_exhaustion)];
  const heard = vitals.episodes.map((episode) => ({ ...episode, lastAt: event.sentAt }));
  const episodes = findings.reduce(
    (open: Episode[], finding) => (finding ? joined(open, finding, event.sentAt, context.newId) : open),
    heard,
  );
  const isOver = (episode: Episode): boolean =>
    episode.pattern === 'resource_exhaustion'
      ? isRelieved(vitals, resource_exhaustion)
      : hasRecovered(vitals, episode, performance_degradation);
  return say({ ...vitals, episodes }, isOver, context);
};

const say = (vitals: Vitals, isOver: (episode: Episode) => boolean, context: Context<Settings>): Decision<Vitals> => {
  const { open, publish, sayAt } = report(vitals.episodes, isOver, context);
  const at = Math.min(sayAt, ...open.map(({ lastAt }) => lastAt + QUIET_TIMES * context.settings.quietMs));
  return done({ state: { ...vitals, episodes: open }, publish, wakeAt: Number.isFinite(at) ? at : null });
};

export const watches = defineEntity({ of: vitalsKind, accepts: [health], id: (event) => event.body.agent_id, decide: watch });
