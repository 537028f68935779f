/**
 * One more result: who came, how many are of use, the running figure, and whether the gather is complete by it. Nothing here
 * looks at the content of earlier results: what needs all of them (merge, concat) is made once, at the end. Pure.
 */
import { contentId } from '#shared/content-id.ts';
import type { Child } from '#shared/entity/entity.ts';
import { compilePattern } from '#shared/event-pattern/event-pattern.ts';
import { isObject } from '#shared/messages/opaque.ts';
import type { ENDINGS, GatherResult } from '#shared/messages/scatter-gather.ts';
import { addResult, bytesOf, fitsOne, type Result } from './results.ts';
import { type Rules, valueAt } from './rules.ts';
import type { Open } from './state.ts';

/** A quorum's value is told beside the responses, and all has to fit a message. */
const MAX_VOTE_BYTES = 65_536;

export type Ending = (typeof ENDINGS)[number];
export type Response = Pick<GatherResult, 'agent_id' | 'result' | 'error'>;
export type Arrived = { from: string; anonymous?: true; response: Response /** Epoch ms. */; at: number };
/** `by`: what completes it, if it is complete. `agreed`: what its quorum said. */
export type Folded = { gather: Open; children: Child[]; by?: Ending; agreed?: unknown };
export type Ended = Folded & { by: Ending };
export const isEnded = (folded: Folded): folded is Ended => folded.by !== undefined;

/** What the strategy takes of a result, and keeps for the end; undefined: it is of no use to it. */
type Taken = { kept?: unknown; figure?: number };

const take = (gather: Open, rules: Rules, response: Response): Taken | undefined => {
  const { result, error } = response;
  if (result === undefined || (error !== undefined && error !== null)) return undefined;
  if (rules.quorum && bytesOf(valueAt(result, rules.quorum.field) ?? null) > MAX_VOTE_BYTES) return undefined;
  switch (rules.strategy) {
    case 'collect':
    case 'first':
      return { kept: response };
    case 'merge':
      return isObject(result) ? withRoom(gather, result) : undefined;
    case 'reduce':
      return rules.reduce && reduced(gather, rules.reduce, result);
    default:
      throw rules.strategy satisfies never;
  }
};

/** What is put together at the end has to fit a message. */
const withRoom = ({ results }: Open, kept: unknown): Taken | undefined =>
  fitsOne([...results, { bytes: bytesOf(kept) }]) ? { kept } : undefined;

const reduced = (gather: Open, { op, field }: NonNullable<Rules['reduce']>, result: unknown): Taken | undefined => {
  const value = valueAt(result, field);
  switch (op) {
    case 'sum':
    case 'mean':
      return figured(value, (number) => (gather.figure ?? 0) + number);
    case 'min':
      return figured(value, (number) => Math.min(gather.figure ?? number, number));
    case 'max':
      return figured(value, (number) => Math.max(gather.figure ?? number, number));
    case 'count':
      return value === undefined ? undefined : {};
    case 'concat':
      return value === undefined ? undefined : withRoom(gather, value);
    default:
      throw op satisfies never;
  }
};

/** A sum that grows beyond all numbers could not be written. */
const figured = (value: unknown, next: (number: number) => number): Taken | undefined => {
  const figure = typeof value === 'number' ? next(value) : Number.NaN;
  return Number.isFinite(figure) ? { figure } : undefined;
};

/** The running figure as it is told; merge and concat have none. */
export const figureOf = ({ rules, results, failed = 0, figure }: Open): number | undefined => {
  const useful = results.length - failed;
  if (rules?.reduce?.op === 'count') return useful;
  return rules?.reduce?.op === 'mean' && figure !== undefined ? figure / useful : figure;
};

/** The gather with a result that it did not have. */
export const fold = (gather: Open, { from, anonymous, response, at }: Arrived): Folded => {
  const { rules } = gather;
  const listed = { from, ...(anonymous && { anonymous }) };
  if (!rules) {
    const { results, children } = addResult(gather.results, { ...listed, bytes: bytesOf(response), response });
    return { gather: { ...gather, results }, children, ...(results.length >= gather.max && { by: 'size' }) };
  }
  const taken = take(gather, rules, response);
  const kept = rules.strategy === 'collect' ? response : taken?.kept;
  const said = rules.quorum && taken ? valueAt(response.result, rules.quorum.field) : undefined;
  const { results, children } = addResult(gather.results, {
    ...listed,
    ...(kept === undefined ? { bytes: 0, unkept: true } : { bytes: bytesOf(kept), response: kept }),
    ...(said !== undefined && { vote: contentId(said) }),
  });
  const { figure } = { ...gather, ...taken };
  const next: Open = {
    ...gather,
    results,
    failed: (gather.failed ?? 0) + (taken ? 0 : 1),
    ...(figure !== undefined && { figure }),
    lastAt: Math.max(gather.lastAt ?? at, at),
  };
  const by = endedBy(next, rules, response, taken !== undefined);
  return { gather: next, children, ...(by && { by }), ...(by === 'quorum' && { agreed: said }) };
};

const endedBy = (gather: Open, rules: Rules, response: Response, isUseful: boolean): Ending | undefined => {
  const { results, max, failed } = gather;
  if (rules.strategy === 'first' && isUseful) return 'first';
  const vote = results.at(-1)?.vote;
  if (rules.quorum && vote !== undefined && votesFor(results, vote) >= rules.quorum.count) return 'quorum';
  const seen = { ...response, so_far: { count: results.length, failed, value: figureOf(gather) } };
  if (rules.when && compilePattern(rules.when)(seen)) return 'predicate';
  return results.length >= max ? 'size' : undefined;
};

const votesFor = (results: readonly Result[], vote: string): number => results.filter((result) => result.vote === vote).length;
