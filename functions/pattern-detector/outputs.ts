/** What the fleet hears of an episode, and what is done about it. Pure. */
import type { Context, Output } from '#shared/entity/entity.ts';
import { iso } from '#shared/iso.ts';
import { raise } from '#shared/messages/alert.ts';
import type { Severity } from '#shared/messages/fields.ts';
import { output } from '#shared/messages/message.ts';
import { escalation, type PatternType, pattern, recovery } from '#shared/messages/supervision.ts';
import { type Episode, isNews, told, toWire } from './episode.ts';
import type { Settings } from './settings.ts';

const SOURCE = 'pattern-detector';
export type Phase = 'detected' | 'updated' | 'closed';
type EpisodeContext = Context<Settings, unknown>;

/** An episode that grows is told of no more often. */
const UPDATE_EVERY_MS = 5000;
/** Of an episode without an origin so many agents are acted on. */
const MOST_TARGETS = 10;

/** What helps: restarts do not help whom they did not help so far, and nobody who only cannot be heard. */
const RULES: Record<PatternType, { severity: Severity; action: 'escalate' | 'recover' | 'alert'; reason: string }> = {
  failure_spike: { severity: 'high', action: 'escalate', reason: 'restarting it has not helped so far' },
  cascading_failure: { severity: 'high', action: 'recover', reason: 'the others fail again while their origin does' },
  network_partition: {
    severity: 'critical',
    action: 'alert',
    reason: 'its agents may be well: look at the network before any is replaced',
  },
  performance_degradation: { severity: 'medium', action: 'alert', reason: 'give it less work and look for what changed' },
  resource_exhaustion: { severity: 'medium', action: 'recover', reason: 'a restart before it runs out frees what it holds' },
};

/** Says what is new of the episodes; those that are over are said to be, and are not among the open ones. */
export const report = (
  episodes: readonly Episode[],
  isOver: (episode: Episode) => boolean,
  context: EpisodeContext,
): { open: Episode[]; publish: Output[] /** When there is more to say, epoch ms. */; sayAt: number } => {
  const open: Episode[] = [];
  const publish: Output[] = [];
  let sayAt = Number.POSITIVE_INFINITY;
  for (const episode of episodes) {
    const next = (episode.told?.at ?? Number.NEGATIVE_INFINITY) + UPDATE_EVERY_MS;
    if (isOver(episode)) publish.push(...said(episode, 'closed', context));
    else if (!isNews(episode)) open.push(episode);
    else if (next > context.now) {
      open.push(episode);
      sayAt = Math.min(sayAt, next);
    } else {
      publish.push(...said(episode, episode.told === null ? 'detected' : 'updated', context));
      open.push(told(episode, context.now));
    }
  }
  return { open, publish, sayAt };
};

const said = (episode: Episode, phase: Phase, context: EpisodeContext): Output[] => {
  const { action, reason } = RULES[episode.pattern];
  const recommended_action = { action, ...(action !== 'alert' && { agents: targetsOf(episode) }), reason };
  return [output(pattern, {}, { ...toWire(episode), phase, recommended_action }), ...acted(episode, phase, context)];
};

const targetsOf = ({ origin, agents }: Episode): string[] => (origin === undefined ? agents.slice(0, MOST_TARGETS) : [origin]);

const acted = (episode: Episode, phase: Phase, context: EpisodeContext): Output[] => {
  const { action } = context.settings.rules[episode.pattern];
  switch (action) {
    case 'none':
      return [];
    case 'alert':
      return [alerted(episode, phase, context)];
    case 'escalate':
      return phase === 'detected' ? targetsOf(episode).map((agentId) => escalated(agentId, episode)) : [];
    case 'recover':
      return phase === 'detected' ? targetsOf(episode).map((agentId) => recovered(agentId, episode)) : [];
    default:
      throw action satisfies never;
  }
};

const alerted = ({ id, pattern, agents, summary, since }: Episode, phase: Phase, { newId }: EpisodeContext): Output =>
  raise({
    alert_id: newId(`alert ${id} ${phase}`),
    severity: RULES[pattern].severity,
    source: SOURCE,
    summary: phase === 'closed' ? `over: ${summary}` : summary,
    agent_ids: agents,
    first_seen: iso(since),
    count: 1,
    group: id,
    status: phase === 'closed' ? 'resolved' : 'firing',
  });

const escalated = (agent_id: string, { id, summary }: Episode): Output =>
  output(
    escalation,
    { escalation_level: '1' },
    { type: 'escalation', agent_id, original_failure: id, escalation_level: 1, escalation_reason: summary },
  );

const recovered = (agent_id: string, { id, pattern, summary }: Episode): Output =>
  output(
    recovery,
    { agent_id },
    {
      type: 'recovery',
      agent_id,
      recovery_action: 'restart',
      initiator: SOURCE,
      recovery_plan: { event_id: id, pattern_type: pattern, reason: summary },
    },
  );
