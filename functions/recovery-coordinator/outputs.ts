/** What recovery says, and to whom. Pure. */
import type { Context, Output } from '#shared/entity/entity.ts';
import { iso } from '#shared/iso.ts';
import { commandShutdown } from '#shared/messages/command.ts';
import { output } from '#shared/messages/message.ts';
import { escalation } from '#shared/messages/supervision.ts';
import { supervisorEvent, supervisorRestart } from '#shared/messages/supervisor.ts';
import { affected, attemptsOf, type Member, type Plan } from './plan.ts';
import type { LastKnown } from './view.ts';

/** To the process of the agent's supervisor: the member's `orders` count the attempts. */
export const startOrdered = (plan: Plan, { agent, owner, shutdown, orders }: Member, known: LastKnown): Output =>
  output(
    supervisorRestart,
    { supervisor_id: owner },
    {
      agent_ids: [agent],
      reason: plan.reasons.at(-1) ?? 'recovery',
      attempt: orders,
      recovery_id: plan.recoveryId,
      shutdown_ms: shutdown,
      last_known: { [agent]: known },
    },
  );

/** To the agent itself. The same command however often it is said. `deadline`: epoch ms. */
export const stopAsked = (plan: Plan, { agent, since }: Member, deadline: number): Output =>
  output(
    commandShutdown,
    { agent_id: agent },
    {
      command_id: `${plan.recoveryId}-${agent}-${since}`,
      reason: `recovery ${plan.recoveryId} of supervisor ${plan.supervisor}: ${plan.reasons.at(-1)}`,
      deadline: iso(deadline),
    },
  );

export type Told = 'recovering' | 'recovered' | 'gave_up' | 'joined' | 'auto_shutdown' | 'not_restarted';

const told = (supervisor_id: string, event_type: Told, agents: string[], more: object): Output =>
  output(supervisorEvent, { supervisor_id }, { type: 'supervisor_lifecycle', supervisor_id, event_type, affected_agents: agents, ...more });

export const begun = (plan: Plan): Output =>
  told(plan.supervisor, 'recovering', affected(plan), { recovery_id: plan.recoveryId, reason: plan.reasons.at(-1) });

/** `plan`: one that has ended. */
export const over = (plan: Plan, reason?: string): Output =>
  told(plan.supervisor, plan.outcome === 'recovered' ? 'recovered' : 'gave_up', affected(plan), {
    recovery_id: plan.recoveryId,
    attempts: attemptsOf(plan),
    duration_ms: (plan.endedAt ?? plan.startedAt) - plan.startedAt,
    ...(reason !== undefined && { reason }),
  });

/** Another recovery took it over. */
export const joined = (plan: Plan): Output => told(plan.supervisor, 'joined', affected(plan), { recovery_id: plan.recoveryId });

/** A supervisor that ends itself where no plan of its own is under way. */
export const supervisorOver = (
  supervisorId: string,
  agent: string,
  gaveUp: boolean,
  reason: string,
  { newId }: Pick<Context, 'newId'>,
): Output =>
  told(supervisorId, gaveUp ? 'gave_up' : 'auto_shutdown', [agent], {
    reason,
    ...(gaveUp && { recovery_id: newId(`gave up ${supervisorId}`), attempts: 0, duration_ms: 0 }),
  });

export const notRestarted = (supervisorId: string, agent: string, reason: string): Output =>
  told(supervisorId, 'not_restarted', [agent], { reason });

type Escalated = { agent: string; level: 1 | 2 | 3 | 4; supervisor: string; reason: string; failure?: string | undefined };

export const escalated = ({ agent, level, supervisor, reason, failure }: Escalated): Output =>
  output(
    escalation,
    { escalation_level: String(level) },
    {
      type: 'escalation',
      agent_id: agent,
      ...(failure !== undefined && { original_failure: failure }),
      escalation_level: level,
      supervisor_id: supervisor,
      escalation_reason: reason,
    },
  );
