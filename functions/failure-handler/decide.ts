/**
 * Answers a failure by its severity. critical: an escalation to the agent's supervisor, an alert to people, and a recovery;
 * high: a recovery; medium and low: counted. A recovery that may not be (switched off for the agent or its domain, or more
 * than the restart intensity allows) becomes an escalation, so that no failure falls between the two.
 *
 * The last hundred event ids of an agent are remembered; an id seen among them is the same failure once more.
 */
import * as z from 'zod';
import { contentId } from '#shared/content-id.ts';
import { type Alarm, type Context, type Decision, defineEntity, done, type Output } from '#shared/entity/entity.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { alert } from '#shared/messages/alert.ts';
import { severity } from '#shared/messages/fields.ts';
import { output, type Received } from '#shared/messages/message.ts';
import { escalation, type Failure, failure, failureType, recovery } from '#shared/messages/supervision.ts';
import { type Agent, agentKind } from '#shared/registry/agent.ts';
import { addRestart } from '#shared/supervision/restart-intensity.ts';
import type { Settings } from './settings.ts';

const REMEMBERED_IDS = 100;
const KEEP_MS = 30 * 24 * 3_600_000;
const SOURCE = 'failure-handler';

const failuresSchema = z.object({
  counts: z.object({ low: z.number(), medium: z.number(), high: z.number(), critical: z.number() }),
  last: z.object({ event_id: z.string(), failure_type: failureType, severity, at: z.number() }),
  /** Oldest first. */
  eventIds: z.array(z.string()),
  /** When recoveries were asked for, epoch ms, as far back as the restart intensity looks. */
  recoveries: z.array(z.number()),
});

export type Failures = z.infer<typeof failuresSchema>;

export const failuresKind: Kind<Failures> = {
  kind: 'failures',
  schema: failuresSchema,
  version: 1,
  expiresAt: (failures) => failures.last.at + KEEP_MS,
};

/** The registry's agents by id. */
type FailureContext = Context<Settings, ReadonlyMap<string, Agent>>;

type Identified = Failure & { event_id: string };

export const decide = (
  before: Failures | undefined,
  event: Received<typeof failure> | Alarm,
  context: FailureContext,
): Decision<Failures> => {
  if (event.message === 'alarm') return done({ wakeAt: null });
  const ids = idsOf(event);
  if (before?.eventIds.some((seen) => ids.includes(seen))) return done();
  const failed: Identified = { ...event.body, event_id: ids[0] };
  const agent = context.view.get(context.id);
  const answer = answerTo(failed, agent, before?.recoveries ?? [], context);
  const { event_id, failure_type } = failed;
  const counts = before?.counts ?? { low: 0, medium: 0, high: 0, critical: 0 };
  const state: Failures = {
    counts: { ...counts, [failed.severity]: counts[failed.severity] + 1 },
    last: { event_id, failure_type, severity: failed.severity, at: event.sentAt },
    eventIds: [...(before?.eventIds ?? []), event_id].slice(-REMEMBERED_IDS),
    recoveries: answer.recoveries,
  };
  return done({ state, publish: answer.publish });
};

/** Its own id, and ids under which it may have come before. Without id and time, the same content within a minute is the same failure. */
const idsOf = ({ body, sentAt }: Received<typeof failure>): [string, ...string[]] => {
  if (body.event_id !== undefined) return [body.event_id];
  if (body.detection_time !== undefined) return [contentId(body)];
  const minute = Math.floor(sentAt / 60_000);
  return [contentId({ ...body, minute }), contentId({ ...body, minute: minute - 1 })];
};

const answerTo = (failed: Identified, agent: Agent | undefined, recoveries: number[], context: FailureContext) => {
  switch (failed.severity) {
    case 'low':
    case 'medium':
      return { recoveries, publish: [] };
    case 'high': {
      const attempt = recover(failed, agent, recoveries, context);
      if (!attempt.refused) return attempt;
      return { recoveries: attempt.recoveries, publish: [escalated(failed, agent, `not recovered: ${attempt.refused}`)] };
    }
    case 'critical': {
      const attempt = recover(failed, agent, recoveries, context);
      const reason = attempt.refused ? `critical failure, not recovered: ${attempt.refused}` : 'critical failure';
      return {
        recoveries: attempt.recoveries,
        publish: [escalated(failed, agent, reason), alerted(failed, reason, context), ...attempt.publish],
      };
    }
    default:
      throw failed.severity satisfies never;
  }
};

/** `refused`: why there is no recovery. */
const recover = (
  failed: Identified,
  agent: Agent | undefined,
  before: number[],
  { settings, now }: FailureContext,
): { recoveries: number[]; publish: Output[]; refused?: string } => {
  const off = switchedOff(failed.agent_id, agent, settings.recoveryOff);
  if (off) return { recoveries: before, publish: [], refused: off };
  const { allowed, restarts } = addRestart(before, now, settings.restarts);
  const { intensity, period } = settings.restarts;
  if (!allowed) return { recoveries: restarts, publish: [], refused: `${intensity} recoveries within ${period} ms did not help` };
  const { agent_id, event_id, failure_type } = failed;
  const recovery_plan = { event_id, failure_type, attempt: restarts.length, intensity, period_ms: period };
  const body = { type: 'recovery' as const, agent_id, recovery_action: 'restart', initiator: SOURCE, recovery_plan };
  return { recoveries: restarts, publish: [output(recovery, { agent_id }, body)] };
};

const switchedOff = (agentId: string, agent: Agent | undefined, off: readonly string[]): string | undefined => {
  const domain = agent?.profile.domain;
  if (off.includes(`agent:${agentId}`) || agent?.profile.metadata.recovery === 'off') return `recovery of agent ${agentId} is switched off`;
  return domain !== undefined && off.includes(`domain:${domain}`) ? `recovery in domain ${domain} is switched off` : undefined;
};

const escalated = ({ agent_id, event_id }: Identified, agent: Agent | undefined, reason: string): Output => {
  const supervisor = agent?.profile.supervisor;
  return output(
    escalation,
    { escalation_level: '1' },
    {
      type: 'escalation',
      agent_id,
      original_failure: event_id,
      escalation_level: 1,
      ...(supervisor !== undefined && { supervisor_id: supervisor }),
      escalation_reason: reason,
    },
  );
};

const alerted = ({ agent_id, event_id, failure_type }: Identified, reason: string, { now }: FailureContext): Output =>
  output(
    alert,
    { severity: 'critical' },
    {
      alert_id: event_id,
      severity: 'critical',
      source: SOURCE,
      summary: `agent ${agent_id}: ${failure_type}: ${reason}`,
      agent_ids: [agent_id],
      first_seen: new Date(now).toISOString(),
      count: 1,
    },
  );

export const failures = defineEntity({
  of: failuresKind,
  accepts: [failure],
  id: (event) => event.body.agent_id,
  decide,
  read: (events, reader) =>
    reader.load(
      agentKind,
      events.flatMap((event) => (event.message === 'alarm' ? [] : event.body.agent_id)),
    ),
});
