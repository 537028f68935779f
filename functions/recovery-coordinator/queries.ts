/** `control.recovery.list`: the recoveries under way. Those of several agents come first, those of one by agent, a page at a time. */
import { readPage } from '#shared/entity/page.ts';
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

export type Shown = { plans: (Plan | null)[]; next?: string };

const readPlans = async (reader: Reader, after: string | undefined, limit: number): Promise<Shown> => {
  const [{ states: alone, ...more }, together] = await Promise.all([
    readPage(reader, recoveryKind, ALONE, { after, limit }),
    after === undefined ? readPage(reader, restartsKind, TOGETHER, { limit: MAX_GROUPS }) : undefined,
  ]);
  return { plans: [...(together?.states.values() ?? []), ...alone.values()].map(({ plan }) => plan), ...more };
};

export const list = defineQuery({
  message: controlRecoveryList,
  read: ({ body: { after, limit = DEFAULT_LIMIT } }, reader) => readPlans(reader, after, Math.min(limit, MAX_LIMIT)),
  // The lookup lags behind the state.
  answer: ({ plans, next }: Shown) => ({ body: { recoveries: plans.filter(isUnderWay).map(toWire), ...(next !== undefined && { next }) } }),
});
