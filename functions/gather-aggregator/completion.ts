/** The one answer of a gather: how it ended, who came and who did not, and what was made of the results. Pure. */
import { type Child, type Context, type Decision, done } from '#shared/entity/entity.ts';
import { output } from '#shared/messages/message.ts';
import { type GatherComplete, gatherComplete } from '#shared/messages/scatter-gather.ts';
import { type Ended, type Ending, figureOf } from './fold.ts';
import { childNames, compose, fitsOne, references } from './results.ts';
import { type Gather, keptUntil, missingOf, type Open } from './state.ts';

type Status = GatherComplete['status'];

/** Children are forgotten with their gather. */
export const keep = (children: Child[], from: number): Child[] => children.map((child) => ({ ...child, expiresAt: keptUntil(from) }));

/** A quorum and a first result have to be there; else it is enough that as many came as had to, or that the predicate says so. */
const isSatisfied = ({ rules, results, min }: Open, by: Ending): boolean => {
  if (by === 'predicate') return true;
  if (rules?.quorum || rules?.strategy === 'first') return by === 'quorum' || by === 'first';
  return results.length >= min;
};

const statusOf = (gather: Open, by: Ending): Status => {
  if (isSatisfied(gather, by)) return 'complete';
  const isUseful = gather.results.length > (gather.failed ?? 0);
  if (isUseful && (gather.rules?.partial || by === 'cancel')) return 'partial';
  return by === 'timeout' || by === 'inactivity' ? 'timed_out' : 'unresolved';
};

/** `Object.fromEntries` defines fields, so that no name of one is more than a name. */
const merged = (objects: readonly object[]): object => Object.fromEntries(objects.flatMap(Object.entries));

/** What the strategy makes of the results; `parts`: what was kept of them. */
const madeOf = (gather: Open, parts: readonly unknown[]): unknown => {
  if (gather.rules?.strategy === 'merge') return parts.length > 0 ? merged(parts as object[]) : undefined;
  return gather.rules?.reduce?.op === 'concat' ? parts.flat() : figureOf(gather);
};

/** Of a scatter without rules nothing is told but what it always was. */
const extrasOf = (gather: Open, by: Ending, agreed: unknown): Partial<GatherComplete> => {
  const { rules, failed = 0, results } = gather;
  if (!rules) return by === 'cancel' ? { completed_by: by } : {};
  const vote = results.at(-1)?.vote;
  const missing = missingOf(gather);
  return {
    completed_by: by,
    failed,
    ...(missing && { missing }),
    ...(by === 'quorum' && { agreed: { value: agreed, count: results.filter((result) => result.vote === vote).length } }),
  };
};

/** Says what came, once. `children` of `folded` are those that this decision would put. */
export const close = (folded: Ended, context: Context): Decision<Gather> => {
  const { gather, children: added, by, agreed } = folded;
  const { results, rules } = gather;
  const status = statusOf(gather, by);
  const closed = { phase: 'closed' as const, status, at: context.now, late: 0, ...((rules || by === 'cancel') && { by }) };
  const said = { request_id: context.id, status, count: results.length, ...extrasOf(gather, by, agreed) };
  const reply = { body: said };
  const known = new Map([...context.children, ...added.map(({ name, data }) => [name, data] as const)]);
  const parts = fitsOne(results) ? compose(results, known) : undefined;
  if (!parts) {
    const publish = [output(gatherComplete, { request_id: context.id }, { ...said, responses: references(results) })];
    return done({ state: { ...closed, results }, children: keep(added, context.now), publish, wakeAt: null, reply });
  }
  const value = madeOf(gather, parts);
  const made = rules?.strategy === 'merge' || rules?.reduce ? { ...(value !== undefined && { value }) } : { responses: parts };
  const publish = [output(gatherComplete, { request_id: context.id }, { ...said, ...made })];
  return done({ state: { ...closed, results: [] }, drop: childNames(results), publish, wakeAt: null, reply });
};
