/** A scatter with rules that comes after some of its results. Pure. */
import { type Context, type Decision, done } from '#shared/entity/entity.ts';
import { close, keep } from './completion.ts';
import { type Folded, fold, isEnded } from './fold.ts';
import { childNames, compose, fitsOne, type Result } from './results.ts';
import { dueOf, type Gather, type Open } from './state.ts';

/** Counts by the scatter's rules what came before it. */
export const hold = (open: Open, held: readonly Result[], at: number, context: Context): Decision<Gather> => {
  const responses = fitsOne(held) ? compose(held, context.children) : undefined;
  if (!responses) {
    const message = `scatter ${context.id} comes after more results than can be counted by its rules: send the scatter before its results come`;
    return { outcome: 'deadLetter', reason: { code: 'too_much_before', message } };
  }
  let folded: Folded = { gather: open, children: [] };
  for (const [n, { from, anonymous }] of held.entries()) {
    if (isEnded(folded)) break;
    const next = fold(folded.gather, { from, ...(anonymous && { anonymous }), response: responses[n] ?? {}, at });
    folded = { ...next, children: [...folded.children, ...next.children] };
  }
  const decision = isEnded(folded)
    ? close(folded, context)
    : done<Gather>({ state: folded.gather, children: keep(folded.children, open.deadline), wakeAt: dueOf(folded.gather) });
  const kept = new Set(folded.by ? [] : childNames(folded.gather.results));
  return { ...decision, drop: childNames(held).filter((name) => !kept.has(name)) } as Decision<Gather>;
};
