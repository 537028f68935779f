/** A task that comes in: whether it may begin, has to wait for others, or is refused. Pure. */
import { type Decision, done } from '#shared/entity/entity.ts';
import type { Received } from '#shared/messages/message.ts';
import type { task } from '#shared/messages/task.ts';
import { budgetOf, MAX_TIMEOUT_MS } from '#shared/tasks/budget.ts';
import { needOf, policyOf } from '#shared/tasks/need.ts';
import { MAX_PAYLOAD_BYTES, type Task, taskKey, type Work } from '#shared/tasks/task.ts';
import { type Books, bulkheadIn, type Ctx, closeBooks, openBooks, setTask, taskIn, type View } from './books.ts';
import { end } from './ending.ts';
import { isInTime, placeOrWait, untilOf } from './placing.ts';
import { limitOf, type Settings } from './settings.ts';

const MAX_ATTEMPTS = 100;
/** A list in an item of the table. */
const MAX_DEPENDENTS = 1000;

const refuse = (code: string, message: string): Decision<Task> => ({ outcome: 'deadLetter', reason: { code, message } });

/** What a decision and the name of its marker are made from. */
export const workFrom = (event: Received<typeof task>): Pick<Work, 'priority' | 'submittedAt'> => ({
  priority: event.body.requirements?.priority ?? 'normal',
  submittedAt: event.sentAt,
});

const toWork = (before: Task | undefined, event: Received<typeof task>, settings: Settings): Work => {
  const { timeout_ms = settings.timeout, max_attempts = settings.maxAttempts, policy } = event.body.requirements ?? {};
  const deadline = budgetOf(event);
  const preferred = policyOf(policy);
  return {
    ...workFrom(event),
    tried: [],
    ...(before?.phase === 'expected' && before.dependents && { dependents: before.dependents }),
    need: needOf(event.body),
    ...(preferred && { policy: preferred }),
    timeout: Math.min(timeout_ms, MAX_TIMEOUT_MS),
    ...(deadline !== undefined && { deadline }),
    maxAttempts: Math.min(max_attempts, MAX_ATTEMPTS),
    ...(event.body.payload !== undefined && { payload: event.body.payload }),
  };
};

/** Tells the tasks that it depends on, and answers those that are still to end; or that one did not succeed. */
const register = (books: Books, dependsOn: readonly string[]): string[] | { failed: string; outcome: string } | { crowded: string } => {
  const { id, now } = books.context;
  const open: string[] = [];
  for (const other of new Set(dependsOn)) {
    const before = taskIn(books, other) ?? { phase: 'expected' as const, at: now };
    if (before.phase === 'ended') {
      if (before.outcome !== 'completed') return { failed: other, outcome: before.outcome };
      continue;
    }
    const dependents = before.dependents ?? [];
    if (dependents.length >= MAX_DEPENDENTS) return { crowded: other };
    setTask(books, other, { ...before, dependents: [...dependents, id] });
    open.push(other);
  }
  return open;
};

/** Whether its queue may be told that it waits: not where there is room for all. One that waits after all is told by its first look. */
export const mayQueue = ({ body }: Received<typeof task>, { crowded }: View): boolean => crowded || body.requirements?.domain !== undefined;

export const submit = (before: Task | undefined, event: Received<typeof task>, context: Ctx): Decision<Task> => {
  if (before && before.phase !== 'expected') return done();
  const { id, now, settings, view } = context;
  const { requirements: { depends_on = [] } = {} } = event.body;
  if (depends_on.includes(id)) return refuse('depends_on_itself', `task ${id} depends on itself: take it out of depends_on`);
  if (Buffer.byteLength(JSON.stringify(event.body.payload ?? null)) > MAX_PAYLOAD_BYTES)
    return refuse(
      'payload_too_large',
      `task ${id} has a payload of more than ${MAX_PAYLOAD_BYTES} bytes: store it elsewhere and send a reference`,
    );

  const work = toWork(before, event, settings);
  let books = openBooks(context);
  const refused = (outcome: 'failed' | 'unassigned' | 'timed_out', code: string, message: string) => {
    books = openBooks(context);
    end(books, id, work, outcome, { error: { code, message } });
    return closeBooks<Task>(books, taskKey(id));
  };
  if (!isInTime(work, now)) return refused('timed_out', 'too_late', `task ${id} came after its deadline`);
  const open = register(books, depends_on);
  if ('failed' in open)
    return refused('failed', 'dependency_failed', `task ${id} depends on task ${open.failed}, which ended as ${open.outcome}`);
  if ('crowded' in open)
    return refused(
      'unassigned',
      'too_many_dependents',
      `${MAX_DEPENDENTS} tasks depend on task ${open.crowded} already: wait for one that depends on it`,
    );
  if (open.length > 0) setTask(books, id, { phase: 'blocked', ...work, waitsFor: open, until: untilOf(work, now) });
  else placeOrWait(books, id, work, mayQueue(event, view));

  const { domain } = work.need;
  const most = limitOf(settings, domain)?.waiting;
  if (most !== undefined && taskIn(books, id)?.phase !== 'active' && bulkheadIn(books, domain as string).waiting > most)
    return refused(
      'unassigned',
      'queue_full',
      `${most} tasks of domain ${domain} wait already: try again later, or raise TASK_DOMAIN_LIMITS`,
    );
  return closeBooks(books, taskKey(id));
};
