/** What the health monitor says. Pure. */
import type { Context, Output } from '#shared/entity/entity.ts';
import { iso } from '#shared/iso.ts';
import { healthCheck } from '#shared/messages/health-check.ts';
import { output } from '#shared/messages/message.ts';
import { failure, health as healthMessage } from '#shared/messages/supervision.ts';
import { buildSubject, subjects } from '#shared/subjects.ts';
import type { Health } from './health.ts';
import { impactOf, symptomsOf, type Values } from './levels.ts';
import { patienceWith } from './patience.ts';
import type { Settings } from './settings.ts';

type Ids = Pick<Context<Settings>, 'id' | 'now' | 'settings'>;

/** Asks an agent whether it is there; any answer is a sign of life. */
export const asked = ({ id }: Ids): Output => ({
  ...output(healthCheck, { agent_id: id }, {}),
  reply: buildSubject(subjects.healthAnswer, { agent_id: id }),
});

/** The agent's state as it is now. */
export const told = ({ reported, lastSeen, metrics }: Health, values: Values, { id, now, settings }: Ids): Output => {
  const symptoms = symptomsOf(metrics, values, settings);
  return output(
    healthMessage,
    { agent_id: id },
    {
      type: 'health',
      agent_id: id,
      status: {
        state: reported,
        ...(reported === 'unresponsive' && { last_seen: iso(lastSeen) }),
        ...(reported !== 'unresponsive' && reported !== 'healthy' && { performance_impact: impactOf(values, settings), symptoms }),
      },
      ...(Object.keys(values).length > 0 && { metrics: values }),
      timestamp: iso(now),
    },
  );
};

/** The event id is the same however often it is decided, so that the failure is handled once. */
export const silent = (health: Health, { id, now, settings }: Ids): Output => {
  const { lastSeen, rhythm, intervalMs } = health;
  const interval_ms = Math.round(rhythm?.mean_ms ?? intervalMs ?? settings.intervalMs);
  return output(
    failure,
    { severity: 'high' },
    {
      type: 'failure',
      event_id: `silent-${id}-${lastSeen}`,
      agent_id: id,
      failure_type: 'timeout_failure',
      severity: 'high',
      context: { last_seen: iso(lastSeen), silent_ms: now - lastSeen, interval_ms, allowed_ms: patienceWith(health, settings).fixed },
      detection_time: iso(now),
    },
  );
};
