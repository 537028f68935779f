/** `control.election.show` and `.list`: who leads a domain, or all of them, a page at a time. */
import type { Reader } from '#shared/entity/reader.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlElectionList, controlElectionShow } from '#shared/messages/control-coordination.ts';
import { type Election, electionKind, lapse, toWire, UNKNOWN } from './election.ts';

const DEFAULT_LIMIT = 100;
/** An election is about 250 bytes in the answer, which has to fit a message. */
const MAX_LIMIT = 1000;

export type Page = { elections: ReadonlyMap<string, Election>; next?: string };

const readPage = async (reader: Reader, after: string | undefined, limit: number): Promise<Page> => {
  const domains = await reader.lookup(electionKind, electionKind.kind, { limit, ...(after !== undefined && { after }) });
  const last = domains.at(-1);
  return { elections: await reader.load(electionKind, domains), ...(domains.length === limit && last !== undefined && { next: last }) };
};

/** Its alarm may be late. */
const shown = (domain: string, election: Election, now: number) => toWire(domain, lapse(election, now));

export const list = defineQuery({
  message: controlElectionList,
  read: ({ body: { after, limit = DEFAULT_LIMIT } }, reader) => readPage(reader, after, Math.min(limit, MAX_LIMIT)),
  answer: ({ elections, next }: Page, _, now) => ({
    body: {
      elections: [...elections].map(([domain, election]) => shown(domain, election, now)).sort((a, b) => (a.domain < b.domain ? -1 : 1)),
      ...(next !== undefined && { next }),
    },
  }),
});

export const show = defineQuery({
  message: controlElectionShow,
  read: async ({ body: { domain } }, reader) => (await reader.load(electionKind, [domain])).get(domain),
  answer: (election: Election | undefined, { body: { domain } }, now) => ({
    body: { election: shown(domain, election ?? UNKNOWN, now) },
  }),
});
