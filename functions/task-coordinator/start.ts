/** A group begins: its plan is stored, and a broadcast finds out whom it is for. Pure. */
import type { ErrorBody } from '#shared/contract.ts';
import type { Received } from '#shared/messages/message.ts';
import type { TaskOutcome, task } from '#shared/messages/task.ts';
import { budgetOf, MAX_TIMEOUT_MS } from '#shared/tasks/budget.ts';
import type { Known, Targets } from './known.ts';
import { type Ctx, type Draft, stirred } from './parts.ts';
import { bytesOf, type Entry, MAX_PARTS, type Plan, pagesOf } from './plan.ts';
import { childrenExpire, type Group, planName } from './state.ts';

/** Of the ids of a broadcast's agents: they lie in the state, and are said at the end. */
const MAX_NAMES_BYTES = 64_000;

const deadlineOf = (event: Received<typeof task>, from: number, { settings }: Ctx): number => {
  const budget = budgetOf(event);
  const { timeout_ms = budget === undefined ? settings.timeout : MAX_TIMEOUT_MS } = event.body.requirements ?? {};
  return Math.min(from + Math.min(timeout_ms, MAX_TIMEOUT_MS), budget ?? Infinity);
};

/** `from`: when its time begins, epoch ms. */
export const planned = (plan: Plan, event: Received<typeof task>, from: number, context: Ctx): { draft: Draft; pages: Known['pages'] } => {
  const { body } = event;
  const { type, needs, levels, names, fanIn, entries } = plan;
  const size = levels.reduce((sum, parts) => sum + parts, 0);
  const first = pagesOf(entries);
  const pages = new Map<number, readonly Entry[]>(first.map((at, page) => [page, entries.slice(at, first[page + 1])]));
  const isMany = type === 'broadcast' || type === 'parallel';
  const min = body.requirements?.min_success;
  const group: Group = stirred(
    {
      type,
      phase: type === 'broadcast' ? 'resolving' : 'running',
      startedAt: context.now,
      deadline: deadlineOf(event, from, context),
      needs,
      levels,
      ...(fanIn !== undefined && { fanIn }),
      ...(body.max_parallel !== undefined && { maxParallel: body.max_parallel }),
      ...(isMany && min !== undefined && { minSuccess: min }),
      // A stage or a reduce has nothing to go on with.
      failFast: !isMany || (type === 'parallel' && body.on_failure !== 'collect'),
      ...(names && { names }),
      plan: first,
      parts: '.'.repeat(size),
      bytes: Array(size).fill(0),
      answers: {},
      attempts: 0,
      backups: {},
      backedUp: 0,
      took: [],
      heardAt: 0,
      lookAt: 0,
      lookFrom: 0,
      looks: 0,
      told: 0,
    },
    context.now,
  );
  const children = [...pages].map(([page, data]) => ({ name: planName(page), data, expiresAt: childrenExpire(group) }));
  return { draft: { group, publish: [], children }, pages };
};

type Resolved = { status: 'more' | 'ready'; draft: Draft } | { status: 'refused'; draft: Draft; outcome: TaskOutcome; error: ErrorBody };

/** A broadcast with more of its agents; `ready`: with all of them. */
export const resolved = (before: Draft, targets: Targets | undefined, { id }: Ctx): Resolved => {
  // Of two alarms in a batch the second has what the first has taken.
  if (!targets || targets.from !== before.group.after) return { status: 'more', draft: before };
  const { after: _, names: found = [], absent: missed = [], ...rest } = before.group;
  const [names, absent] = [
    [...found, ...targets.fit],
    [...missed, ...targets.absent],
  ];
  const refuse = (outcome: TaskOutcome, code: string, message: string): Resolved => {
    const draft: Draft = { ...before, group: { ...rest, ...(absent.length > 0 && { absent }) } };
    return { status: 'refused', draft, outcome, error: { code, message } };
  };
  if (names.length > MAX_PARTS || bytesOf([names, absent]) > MAX_NAMES_BYTES)
    return refuse('failed', 'too_many', `task ${id} is for more than ${MAX_PARTS} agents: send it by zone, or name its participants`);
  const group: Group = { ...rest, names, ...(absent.length > 0 && { absent }) };
  if (targets.after !== undefined) return { status: 'more', draft: { ...before, group: { ...group, after: targets.after } } };
  if (names.length === 0)
    return refuse('unassigned', 'no_agents', `no healthy agent fits task ${id}: agents.discovery.find shows who is there`);
  const parts = '.'.repeat(names.length);
  const ready: Group = { ...group, phase: 'running', levels: [names.length], parts, bytes: Array(names.length).fill(0) };
  return { status: 'ready', draft: { ...before, group: ready } };
};
