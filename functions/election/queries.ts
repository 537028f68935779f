/** `control.election.show` and `.list`: who leads a domain, or all of them, a page at a time. */
import { type Page, readPage } from '#shared/entity/page.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlElectionList, controlElectionShow } from '#shared/messages/control-coordination.ts';
import { type Election, electionKind, lapse, toWire, UNKNOWN } from './election.ts';

const DEFAULT_LIMIT = 100;
/** An election is about 250 bytes in the answer, which has to fit a message. */
const MAX_LIMIT = 1000;

/** Its alarm may be late. */
const shown = (domain: string, election: Election, now: number) => toWire(domain, lapse(election, now));

export const list = defineQuery({
  message: controlElectionList,
  read: ({ body: { after, limit = DEFAULT_LIMIT } }, reader) =>
    readPage(reader, electionKind, electionKind.kind, { after, limit: Math.min(limit, MAX_LIMIT) }),
  answer: ({ states: elections, next }: Page<Election>, _, now) => ({
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
