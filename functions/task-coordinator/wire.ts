/** A task for many as others see it: its parts by name, how far it is. Pure. */
import { iso } from '#shared/iso.ts';
import { countOf, type Group } from './state.ts';

/** How a part is called: an agent, a stage, or its number from 1. */
export const labelOf = ({ names }: Group, n: number): string | number => names?.[n] ?? n + 1;

export const namedPart = (group: Group, n: number) => {
  const label = labelOf(group, n);
  if (group.type === 'broadcast') return { agent_id: label };
  return group.type === 'pipeline' ? { stage: label } : { part: label };
};

export const progressOf = (group: Group) => ({
  parts: group.parts.length,
  completed: countOf(group, 'd'),
  failed: countOf(group, 'f'),
  under_way: countOf(group, 'o'),
});

/** As an operator sees it. */
export const toWire = (task_id: string, group: Group) => ({
  task_id,
  coordination_type: group.type,
  phase: group.phase,
  started_at: iso(group.startedAt),
  deadline: iso(group.deadline),
  progress: progressOf(group),
  ...(group.backedUp > 0 && { backups: group.backedUp }),
  ...(group.outcome !== undefined && { outcome: group.outcome }),
  ...(group.error && { error: group.error }),
  ...(group.endedAt !== undefined && { ended_at: iso(group.endedAt) }),
});
