/**
 * The accounts and what they have of each other: CONTROL, with the streams, the bridges and the functions; one for each
 * domain; SYS, the server's own. The subjects are those of `ways.ts`.
 */
import { subjects, toFilter } from '#shared/subjects.ts';
import { WORK_STREAM } from '../bridge/queues/work-queue.ts';
import { filterOf, lastOrder, readState, takeWork } from './permissions.ts';
import { fewest } from './subject-filters.ts';
import { type Rule, rules, type Way } from './ways.ts';

export const CONTROL = 'CONTROL';
export const SYSTEM = 'SYS';

export type Kind = 'stream' | 'service';
export type Export = { kind: Kind; subject: string /** More than one answer to a request. */; many?: true };
export type Import = { kind: Kind; subject: string; from: string };
export type AccountSpec = { name: string; exports: Export[]; imports: Import[] };

const patterns = (way: Way): string[] =>
  (Object.entries(rules) as [keyof typeof subjects, Rule][]).filter(([, { ways }]) => ways.includes(way)).map(([key]) => subjects[key]);

const everywhere = (way: Way): string[] => fewest(patterns(way).map(toFilter));
/** With the domain filled in where the subject names one. */
const within = (way: Way, domain: string): string[] => fewest(patterns(way).map((pattern) => filterOf(pattern, { domain })));

const service = (subject: string): Export => ({ kind: 'service', subject });
/** Everybody who is asked `health.check.all` answers. */
const answered = (subject: string): Export => ({ ...service(subject), many: true });

/** What a domain may look up in the streams. */
const lookUps = [...readState, lastOrder('*')];

const domainAccount = (domain: string, others: readonly string[]): AccountSpec => ({
  name: domain,
  exports: [...new Set([...within('ask', domain), ...within('call', domain)])].map(answered),
  imports: [
    ...[...within('report', domain), ...lookUps, ...takeWork(domain)].map(
      (subject): Import => ({ kind: 'service', subject, from: CONTROL }),
    ),
    ...within('tell', domain).map((subject): Import => ({ kind: 'stream', subject, from: CONTROL })),
    ...others.flatMap((other) => within('call', other).map((subject): Import => ({ kind: 'service', subject, from: other }))),
  ],
});

/** CONTROL and the domains. A domain hears nothing of what is said in another, and reaches it through `call` only. */
export const accounts = (domains: readonly string[]): AccountSpec[] => [
  {
    name: CONTROL,
    exports: [
      ...[...everywhere('report'), ...lookUps, `$JS.ACK.${WORK_STREAM}.*.>`].map(service),
      // A worker may ask for more than one at once.
      answered(`$JS.API.CONSUMER.MSG.NEXT.${WORK_STREAM}.*`),
      ...everywhere('tell').map((subject): Export => ({ kind: 'stream', subject })),
    ],
    imports: domains.flatMap((domain) => within('ask', domain).map((subject): Import => ({ kind: 'service', subject, from: domain }))),
  },
  ...domains.map((domain) =>
    domainAccount(
      domain,
      domains.filter((other) => other !== domain),
    ),
  ),
];
