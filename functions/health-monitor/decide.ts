/**
 * Notices agents that fall silent and agents that do badly, and tells every change of that once.
 *
 * Silence, by the phi accrual detector on each agent's own rhythm (shared/detection/phi.ts), in two steps as SWIM has them: a
 * silence that is implausible makes the agent a suspect, and it is asked whether it is there (`health.check.<agent>`); only
 * where no sign of life comes until one more heartbeat would have been due is it unresponsive. The fixed rule (three missed
 * heartbeats) is the outer bound. As in Lifeguard, local slowness suspends judgement: an alarm that comes late, or silence
 * while the bridge did not listen, gives the agent its time again.
 *
 * A sign of life is written down every 150 s at most. Between that it only moves the check (`checkAt`), so an alarm at
 * its due time means that nothing was heard since it was set, and tells by that time when the last sign was.
 */
import { type Alarm, type Context, type Decision, defineEntity } from '#shared/entity/entity.ts';
import { healthAnswer } from '#shared/messages/health-check.ts';
import { agentError, agentHeartbeat, agentReady, agentStarted, agentStopped, sessionHeartbeat } from '#shared/messages/lifecycle.ts';
import type { Received } from '#shared/messages/message.ts';
import { orchestratorBroadcast } from '#shared/messages/orchestrator.ts';
import { health } from '#shared/messages/supervision.ts';
import { agentIdOf, CROSSED_MS } from '#shared/registry/agent-id.ts';
import { type Health, healthKind } from './health.ts';
import { valuesOf } from './levels.ts';
import { declaredUnresponsive, later, type Sign, sign, stop } from './life.ts';
import type { Settings } from './settings.ts';
import { ring } from './silence.ts';

const accepts = [
  agentHeartbeat,
  sessionHeartbeat,
  orchestratorBroadcast,
  healthAnswer,
  health,
  agentReady,
  agentStarted,
  agentError,
  agentStopped,
] as const;

type Heard = Received<(typeof accepts)[number]>;

export const decide = (before: Health | undefined, event: Heard | Alarm, context: Context<Settings>): Decision<Health> => {
  const { message } = event;
  if (message === 'alarm') return ring(before, event, context);
  const at = event.sentAt;
  if (before && at < before.lastSeen - (message === 'agentStopped' ? CROSSED_MS : 0)) return later(before, context);
  const beat = { at, ...(event.rhythm && { rhythm: event.rhythm }) };
  switch (message) {
    case 'agentHeartbeat':
      return sign(before, { ...beat, by: 'heartbeat', values: valuesOf(event.body.metrics) }, context);
    case 'sessionHeartbeat': {
      const seconds = event.body.interval_s;
      return sign(before, { ...beat, by: 'heartbeat', ...(seconds !== undefined && { intervalMs: 1000 * seconds }) }, context);
    }
    case 'orchestratorBroadcast':
      return sign(before, { ...beat, by: 'heartbeat' }, context);
    case 'health': {
      const { state } = event.body.status;
      if (state === 'unresponsive') return declaredUnresponsive(before, at);
      return sign(before, { at, by: 'report', declared: state, values: valuesOf(event.body.metrics) }, context);
    }
    case 'agentReady':
    case 'agentStarted':
      return sign(before, { at, by: 'start', ...instanceOf(event.body) }, context);
    case 'agentError':
    case 'healthAnswer':
      return sign(before, { at, by: 'answer' }, context);
    case 'agentStopped':
      return stop(before, at, event.body.instance_id, context);
    default:
      throw message satisfies never;
  }
};

const instanceOf = ({ instance_id }: { instance_id?: string | undefined }): Pick<Sign, 'instanceId'> =>
  instance_id === undefined ? {} : { instanceId: instance_id };

export const healths = defineEntity({ of: healthKind, accepts, id: agentIdOf, decide });
