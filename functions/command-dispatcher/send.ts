/** A round of sending: to the next targets that have not answered, and when to go on. Pure. */
import type { Context, Output } from '#shared/entity/entity.ts';
import { type Command, dueTargets, isLastDue, PAGE, pageOf } from './command.ts';
import { toTarget } from './outputs.ts';
import type { Settings } from './settings.ts';
import type { View } from './targets.ts';

export type CommandContext = Context<Settings, View>;

/** One decision's part of it. */
export const send = (
  command: Command,
  { id, now, view, settings }: CommandContext,
): { state: Command; publish: Output[]; wakeAt: number | null } => {
  const due = dueTargets(command);
  const publish: Output[] = [];
  for (const n of due) {
    const target = command.targets[n] ?? view.pages.get(`${id}/${pageOf(n)}`)?.[n % PAGE];
    // Its page was not read, for the round has moved on since: again at once, after what is known.
    if (target === undefined) return { state: { ...command, next: n }, publish, wakeAt: now };
    publish.push(toTarget(command, id, n, target));
  }
  const last = due.at(-1);
  if (last !== undefined && !isLastDue(command, last)) return { state: { ...command, next: last + 1 }, publish, wakeAt: now };
  const round = command.round + 1;
  if (command.closedAt !== undefined) return { state: { ...command, round, next: 0 }, publish, wakeAt: null };
  const pause = Math.min(settings.resendMs, (command.deadline - command.startedAt) / 4) * 2 ** command.round;
  const wakeAt = round < settings.attempts ? Math.min(command.deadline, Math.ceil(now + pause)) : command.deadline;
  return { state: { ...command, round, next: 0 }, publish, wakeAt };
};
