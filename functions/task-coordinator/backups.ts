/**
 * Backup tasks (Dean and Ghemawat, MapReduce, OSDI 2004, section 3.6): when nearly all maps are done, the ones that take much
 * longer than the others are done a second time, and the first result counts. Pure.
 */
import type { Task } from '#shared/tasks/task.ts';
import type { Ctx } from './parts.ts';
import type { Group } from './state.ts';

/** ms before the next look at what takes long: at least, and at least for one that waits for an agent. */
const LEAST_MS = { working: 250, waiting: 1000 };

/** Whether slow maps may get backups: a share of them is done, or all but one. */
const isNearEnd = ({ type, levels, took, backedUp }: Group, { done, share }: Ctx['settings']['backup']): boolean => {
  const maps = levels[0] ?? 0;
  if (type !== 'map_reduce' || share === 0 || took.length === 0 || took.length === maps) return false;
  return took.length >= Math.min(maps - 1, Math.ceil(maps * done)) && backedUp < Math.max(1, Math.floor(maps * share));
};

/** ms, of the maps that are done. */
const median = (took: readonly number[]): number => took.toSorted((a, b) => a - b)[took.length >> 1] ?? 0;

/** A group that should look at its slow maps does so soon. */
export const backupsFrom = (group: Group, { now, settings }: Ctx): Group =>
  isNearEnd(group, settings.backup) ? { ...group, lookAt: Math.min(group.lookAt, now + LEAST_MS.working) } : group;

/**
 * What becomes of a map that is under way: `now` is the time for its backup; a number is when to look again, epoch ms;
 * undefined: it gets none.
 */
export const backupOf = (group: Group, n: number, task: Task, { now, settings }: Ctx): 'now' | number | undefined => {
  if (!isNearEnd(group, settings.backup) || group.backups[n] !== undefined) return undefined;
  const usual = median(group.took);
  if (task.phase !== 'active') return now + Math.max(LEAST_MS.waiting, usual);
  const slowFrom = task.assignedAt + settings.backup.factor * usual;
  return now > slowFrom ? 'now' : Math.max(now + LEAST_MS.working, Math.ceil(slowFrom) + 1);
};
