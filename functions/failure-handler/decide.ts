/**
 * Answers a failure by its severity. critical: an escalation to the agent's supervisor, an alert to people, and a recovery;
 * high: a recovery; medium and low: counted. A recovery that is switched off for the agent or its domain becomes an
 * escalation, so that no failure falls between the two. How often an agent may be recovered is recovery-coordinator's to say.
 *
 * The last hundred event ids of an agent are remembered; an id seen among them is the same failure once more.
 */
import * as z from 'zod';
import { contentId } from '#shared/content-id.ts';
import { type Alarm, type Context, type Decision, defineEntity, done, type Output } from '#shared/entity/entity.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';
import { raise } from '#shared/messages/alert.ts';
import { severity } from '#shared/messages/fields.ts';
import { output, type Received } from '#shared/messages/message.ts';
import { escalation, type Failure, failure, failureType, recovery } from '#shared/messages/supervision.ts';
import { type Agent, agentKind } from '#shared/registry/agent.ts';
import { type Places, readPlaces, responsibleFor } from '#shared/supervision/tree.ts';
import type { Settings } from './settings.ts';

const REMEMBERED_IDS = 100;
const KEEP_MS = 30 * 24 * 3_600_000;
const SOURCE = 'failure-handler';

const failuresSchema = z.object({
  counts: z.object({ low: z.number(), medium: z.number(), high: z.number(), critical: z.number() }),
  last: z.object({ event_id: z.string(), failure_type: failureType, severity, at: z.number() }),
  /** Oldest first. */
  eventIds: z.array(z.string()),
});

export type Failures = z.infer<typeof failuresSchema>;

export const failuresKind: Kind<Failures> = {
  kind: 'failures',
  schema: failuresSchema,
  version: 2,
  // Times of recoveries, which the schema leaves out.
  upcast: { 1: (old) => old },
  expiresAt: (failures) => failures.last.at + KEEP_MS,
};

/** The registry's agents by id, and where they stand in the tree. */
type View = { agents: ReadonlyMap<string, Agent>; where: Places };
type FailureContext = Context<Settings, View>;

/** `at`: when the stream took it, epoch ms. */
type Identified = Failure & { event_id: string; at: number };

export const decide = (
  before: Failures | undefined,
  event: Received<typeof failure> | Alarm,
  context: FailureContext,
): Decision<Failures> => {
  if (event.message === 'alarm') return done({ wakeAt: null });
  const ids = idsOf(event);
  if (before?.eventIds.some((seen) => ids.includes(seen))) return done();
  const failed: Identified = { ...event.body, event_id: ids[0], at: event.sentAt };
  const { event_id, failure_type } = failed;
  const counts = before?.counts ?? { low: 0, medium: 0, high: 0, critical: 0 };
  const state: Failures = {
    counts: { ...counts, [failed.severity]: counts[failed.severity] + 1 },
    last: { event_id, failure_type, severity: failed.severity, at: failed.at },
    eventIds: [...(before?.eventIds ?? []), event_id].slice(-REMEMBERED_IDS),
  };
  return done({ state, publish: answerTo(failed, context) });
};

/** Its own id, and ids under which it may have come before. Without id and time, the same content within a minute is the same failure. */
const idsOf = ({ body, sentAt }: Received<typeof failure>): [string, ...string[]] => {
  if (body.event_id !== undefined) return [body.event_id];
  if (body.detection_time !== undefined) return [contentId(body)];
  const minute = Math.floor(sentAt / 60_000);
  return [contentId({ ...body, minute }), contentId({ ...body, minute: minute - 1 })];
};

const isAnswered = (severity: Failure['severity']): boolean => severity === 'high' || severity === 'critical';

const answerTo = (failed: Identified, context: FailureContext): Output[] => {
  const off = switchedOff(failed.agent_id, context);
  switch (failed.severity) {
    case 'low':
    case 'medium':
      return [];
    case 'high':
      return [off === undefined ? recovered(failed) : escalated(failed, `not recovered: ${off}`, context)];
    case 'critical': {
      const reason = off === undefined ? 'critical failure' : `critical failure, not recovered: ${off}`;
      const told = [escalated(failed, reason, context), alerted(failed, reason, context)];
      return off === undefined ? [...told, recovered(failed)] : told;
    }
    default:
      throw failed.severity satisfies never;
  }
};

/** Why there is no recovery. */
const switchedOff = (agentId: string, { settings, view }: FailureContext): string | undefined => {
  const profile = view.agents.get(agentId)?.profile;
  const { recoveryOff: off } = settings;
  if (off.includes(`agent:${agentId}`) || profile?.metadata.recovery === 'off') return `recovery of agent ${agentId} is switched off`;
  const domain = profile?.domain;
  return domain !== undefined && off.includes(`domain:${domain}`) ? `recovery in domain ${domain} is switched off` : undefined;
};

const recovered = ({ agent_id, event_id, failure_type, severity, at }: Identified): Output => {
  const recovery_plan = { event_id, failure_type, severity, failed_at: iso(at) };
  return output(recovery, { agent_id }, { type: 'recovery', agent_id, recovery_action: 'restart', initiator: SOURCE, recovery_plan });
};

const escalated = ({ agent_id, event_id }: Identified, reason: string, { view }: FailureContext): Output => {
  const [supervisor] = responsibleFor(view.where, agent_id, view.agents.get(agent_id)?.profile);
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
  raise({
    alert_id: event_id,
    severity: 'critical',
    source: SOURCE,
    summary: `agent ${agent_id}: ${failure_type}: ${reason}`,
    agent_ids: [agent_id],
    first_seen: new Date(now).toISOString(),
    count: 1,
  });

export const failures = defineEntity({
  of: failuresKind,
  accepts: [failure],
  id: (event) => event.body.agent_id,
  decide,
  read: async (events, reader): Promise<View> => {
    const ids = events.flatMap((event) => (event.message !== 'alarm' && isAnswered(event.body.severity) ? event.body.agent_id : []));
    const [agents, where] = await Promise.all([reader.load(agentKind, ids), readPlaces(reader, ids)]);
    return { agents, where };
  },
});
