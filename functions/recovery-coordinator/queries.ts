/** `control.recovery.list`: the recoveries under way. Those of several agents come first, those of one by agent, a page at a time. */
import type { Reader } from '#shared/entity/reader.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlRecoveryList } from '#shared/messages/control-supervision.ts';
import { isUnderWay, type Plan } from './plan.ts';
import { ALONE, recoveryKind, restartsKind, TOGETHER, toWire } from './recovery.ts';

const DEFAULT_LIMIT = 100;
/** A recovery of one agent is about 1 KB in the answer, which has to fit a message. */
const MAX_LIMIT = 400;
/** One of several agents may be of hundreds. */
const MAX_GROUPS = 20;

export type Page = { plans: (Plan | null)[]; next?: string };

const readPage = async (reader: Reader, after: string | undefined, limit: number): Promise<Page> => {
  const [alone, together] = await Promise.all([
    reader.lookup(recoveryKind, ALONE, { limit, ...(after !== undefined && { after }) }),
    after === undefined ? reader.lookup(restartsKind, TOGETHER, { limit: MAX_GROUPS }) : [],
  ]);
  const [recoveries, groups] = await Promise.all([reader.load(recoveryKind, alone), reader.load(restartsKind, together)]);
  const last = alone.at(-1);
  return {
    plans: [...groups.values(), ...recoveries.values()].map(({ plan }) => plan),
    ...(alone.length === limit && last !== undefined && { next: last }),
  };
};

export const list = defineQuery({
  message: controlRecoveryList,
  read: ({ body: { after, limit = DEFAULT_LIMIT } }, reader) => readPage(reader, after, Math.min(limit, MAX_LIMIT)),
  // The lookup lags behind the state.
  answer: ({ plans, next }: Page) => ({ body: { recoveries: plans.filter(isUnderWay).map(toWire), ...(next !== undefined && { next }) } }),
});
