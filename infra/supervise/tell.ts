/** What a supervisor's process says on the wire. Pure. */
import { iso } from '#shared/iso.ts';
import { agentCreated, agentReady, agentStarted, agentStopped } from '#shared/messages/lifecycle.ts';
import type { Message } from '#shared/messages/message.ts';
import { failure } from '#shared/messages/supervision.ts';
import { type SupervisorEvent, supervisorEvent } from '#shared/messages/supervisor.ts';
import { buildSubject, type SubjectParams, type SubjectPattern } from '#shared/subjects.ts';
import { domainSupervisor } from '#shared/supervision/supervisor.ts';
import type { End, Order } from './agent-process.ts';
import type { Fleet } from './fleet.ts';
import type { Letter } from './outbox.ts';

/** Without what is undefined, so that it is left out on the wire. */
const given = <T extends object>(fields: T): T =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;

const letter = <P extends SubjectPattern, Body>({ subject }: Message<string, P, Body>, params: SubjectParams<P>, body: Body): Letter => ({
  subject: buildSubject(subject, params),
  body,
});

const event = (supervisorId: string, body: Record<string, unknown> & Pick<SupervisorEvent, 'event_type'>): Letter =>
  letter(supervisorEvent, { supervisor_id: supervisorId }, given({ type: 'supervisor_lifecycle', supervisor_id: supervisorId, ...body }));

/** What it is, and its children in the order in which they are started. What nobody said stays as it is, or is the default. */
export const started = ({ id, domain, agents, ...fleet }: Fleet): Letter =>
  event(id, {
    event_type: 'started',
    strategy: fleet.strategy,
    intensity: fleet.intensity,
    period_ms: fleet.period_ms,
    auto_shutdown: fleet.auto_shutdown,
    parent: fleet.parent ?? (domain === undefined ? undefined : domainSupervisor(domain)),
    children: agents.map((agent) =>
      given({
        id: agent.id,
        restart: agent.restart ?? fleet.restart,
        significant: agent.significant,
        shutdown_ms: agent.shutdown_ms ?? fleet.shutdown_ms,
      }),
    ),
  } as SupervisorEvent);

export const stopped = ({ id, agents }: Fleet): Letter =>
  event(id, { event_type: 'stopped', affected_agents: agents.map((agent) => agent.id) });

export const notRestarted = (supervisorId: string, agentId: string, { attempt, recoveryId }: Order, reason: string): Letter =>
  event(supervisorId, { event_type: 'restart_failed', affected_agents: [agentId], reason, attempt, recovery_id: recoveryId });

/** One run of an agent. */
export type Run = { agentId: string; supervisorId: string; instanceId: string; domain?: string | undefined };

/** `at`: epoch ms. */
export type Circumstances = { stderr: string; uptimeMs: number; at: number };

/** Of a run there is one death, so its id is that of the run. */
export const crashed = (run: Run, { code, signal, error }: End, { stderr, uptimeMs, at }: Circumstances): Letter =>
  letter(
    failure,
    { severity: 'high' },
    {
      type: 'failure',
      event_id: `crash-${run.agentId}-${run.instanceId}`,
      agent_id: run.agentId,
      failure_type: 'process_crash',
      severity: 'high',
      context: {
        ...{ supervisor_id: run.supervisorId, instance_id: run.instanceId },
        ...{ exit_code: code, signal, error, stderr, uptime_ms: uptimeMs },
      },
      detection_time: iso(at),
    },
  );

export const agentEnded = ({ agentId, instanceId }: Run, reason: 'normal' | 'shutdown'): Letter =>
  letter(agentStopped, { agent_id: agentId }, { agent_id: agentId, instance_id: instanceId, reason });

/** What an agent says of itself when it starts, on its behalf. */
export const introduced = ({ agentId, supervisorId, instanceId, domain }: Run): Letter[] => {
  const who = { agent_id: agentId, instance_id: instanceId };
  return [
    letter(agentCreated, { agent_id: agentId }, given({ ...who, supervisor: supervisorId, domain }) as typeof who),
    letter(agentStarted, { agent_id: agentId }, who),
    letter(agentReady, { agent_id: agentId }, who),
  ];
};
