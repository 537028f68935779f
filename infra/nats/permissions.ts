/**
 * What a user may publish and subscribe to, by role: made of `ways.ts` and of the subjects. In the claims of an account the
 * ids are the server's templates, so that credentials stay as they are when a permission changes.
 */
import { segmentsOf, subjects, toFilter } from '#shared/subjects.ts';
import { queueName, queuesOf, WORK_STREAM } from '../bridge/queues/work-queue.ts';
import { PROBE_STREAM } from './probe.ts';
import type { StreamSpec } from './streams.ts';
import { fewest } from './subject-filters.ts';
import { type DomainRole, type Rule, rules, type Way } from './ways.ts';

export type Permissions = {
  publish: string[];
  subscribe: string[];
  /** It may answer a request it received: so many messages, within so many ms. */
  answers?: { max: number; ms: number };
};

export type Identity = {
  id: string;
  /** Of the account. */
  domain: string;
  /** What 003 calls the agent's name: the role in `agents.<domain>.<name>.<action>`. */
  name: string;
};

/** Of a user of the domain. The server fills in whole tokens only, and the name of a queue has the domain in it. */
export const templatesOf = (domain: string): Identity => ({ id: '{{name()}}', domain, name: '{{tag(name)}}' });

/** Every user has an inbox of its own: clients set it as their inbox prefix. */
export const inboxPrefix = (id: string): string => `_INBOX.${id}`;

const ANSWERS = { max: 100, ms: 120_000 };

/** The parameters that are narrowed to whose they are. */
const owner = ({ id, domain, name }: Identity): Record<string, string> => ({
  agent_id: id,
  supervisor_id: id,
  requester: id,
  to_agent: id,
  domain,
  name,
});

/** The filter of a pattern with some parameters filled in. */
export const filterOf = (pattern: string, known: Record<string, string>): string =>
  segmentsOf(pattern)
    .map((segment) => {
      if ('literal' in segment) return segment.literal;
      return segment.many ? '>' : (known[segment.param] ?? '*');
    })
    .join('.');

/** The bucket that functions keep of the agents' states: its entries can be got, not watched. */
export const readState = ['INFO.KV_AGENT_STATE', 'MSG.GET.KV_AGENT_STATE']
  .map((verb) => `$JS.API.STREAM.${verb}`)
  .concat('$JS.API.DIRECT.GET.KV_AGENT_STATE', '$JS.API.DIRECT.GET.KV_AGENT_STATE.>');

/** The last order that a supervisor's process was given, for when it was away. */
export const lastOrder = (supervisorId: string): string =>
  `$JS.API.DIRECT.GET.SUPERVISION_EVENTS.${filterOf(subjects.supervisorRestart, { supervisor_id: supervisorId })}`;

const entries = Object.entries(rules) as [keyof typeof subjects, Rule][];
const rolesOf = (role: DomainRole): DomainRole[] => (role === 'agent' ? ['agent'] : ['agent', role]);

/** Taking work from the queues of a domain, and saying what became of it. */
export const takeWork = (domain: string): string[] =>
  queuesOf(domain)
    .map(queueName)
    .flatMap((queue) => [`$JS.API.CONSUMER.MSG.NEXT.${WORK_STREAM}.${queue}`, `$JS.ACK.${WORK_STREAM}.${queue}.>`]);

/** A user of a domain's account. */
export const domainPermissions = (role: DomainRole, identity: Identity): Permissions => {
  const own = owner(identity);
  const named = (verb: 'says' | 'hears'): string[] =>
    entries.flatMap(([key, { roles }]) =>
      rolesOf(role).flatMap((one) => {
        const grant = roles[one]?.[verb];
        if (!grant) return [];
        return grant === 'any' ? [filterOf(subjects[key], {})] : [filterOf(grant === 'own' ? subjects[key] : grant, own)];
      }),
    );
  return {
    publish: fewest([
      ...named('says'),
      ...takeWork(identity.domain),
      ...(role === 'agent' ? [] : readState),
      ...(role === 'supervisor' ? [lastOrder(identity.id)] : []),
    ]),
    subscribe: fewest([...named('hears'), `${inboxPrefix(identity.id)}.>`]),
    answers: ANSWERS,
  };
};

const READ_STREAMS = [
  '$JS.API.INFO',
  '$JS.API.STREAM.INFO.*',
  '$JS.API.STREAM.LIST',
  '$JS.API.STREAM.NAMES',
  '$JS.API.STREAM.MSG.GET.*',
  '$JS.API.DIRECT.GET.>',
  '$JS.API.CONSUMER.INFO.*.*',
  '$JS.API.CONSUMER.LIST.*',
  '$JS.API.CONSUMER.NAMES.*',
];

const withWay = (way: Way): string[] => entries.filter(([, rule]) => rule.ways.includes(way)).map(([key]) => toFilter(subjects[key]));

const family = (prefix: string): string[] => withWay('tell').filter((filter) => filter.startsWith(prefix));

/** All that begins as it does; of the server's own subjects only itself. */
const familyOf = (pattern: string): string => (pattern.startsWith('$') ? toFilter(pattern) : `${pattern.split('.')[0]}.>`);

/** A person who runs the fleet: asks whatever can be asked, hears everything but other people's answers, changes no stream. */
export const operatorPermissions = ({ id }: Pick<Identity, 'id'>): Permissions => ({
  publish: fewest([
    'control.>',
    '$SRV.>',
    'agents.discovery.*',
    ...withWay('ask'),
    ...family('broadcast.'),
    toFilter(subjects.task),
    ...READ_STREAMS,
  ]),
  subscribe: fewest([...Object.values(subjects).map(familyOf), `${inboxPrefix(id)}.>`]),
});

/** Whoever runs `nats:apply`. */
export const provisionerPermissions = ({ id }: Pick<Identity, 'id'>, streams: readonly Pick<StreamSpec, 'name'>[]): Permissions => ({
  publish: [
    '$JS.API.INFO',
    '$JS.API.STREAM.LIST',
    '$JS.API.STREAM.NAMES',
    ...[...streams.map(({ name }) => name), PROBE_STREAM].flatMap((name) =>
      ['INFO', 'CREATE', 'UPDATE', 'DELETE'].map((verb) => `$JS.API.STREAM.${verb}.${name}`),
    ),
    // The queues of work.
    `$JS.API.CONSUMER.LIST.${WORK_STREAM}`,
    `$JS.API.CONSUMER.INFO.${WORK_STREAM}.*`,
    `$JS.API.CONSUMER.CREATE.${WORK_STREAM}.*.work.>`,
  ].sort(),
  subscribe: [`${inboxPrefix(id)}.>`],
});
