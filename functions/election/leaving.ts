/**
 * A leader that is gone does not keep its domains waiting for its lease: `agent.<id>.stopped`, or a crash that is reported of it. An
 * agent that is to drain keeps its lease, and gets no other. What was said before it was elected is of an earlier life.
 */
import { type Alarm, type Context, type Decision, defineEntity, done, type Output } from '#shared/entity/entity.ts';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import { agentDraining, agentStopped } from '#shared/messages/lifecycle.ts';
import type { Received } from '#shared/messages/message.ts';
import { failure } from '#shared/messages/supervision.ts';
import { isSince } from './change.ts';
import { type Election, electionKind, type Leadership, leadershipKind, vacated } from './election.ts';
import { type EndReason, ended } from './outputs.ts';
import type { Settings } from './settings.ts';

type Gone = Received<typeof agentStopped> | Received<typeof failure> | Received<typeof agentDraining>;

/** `drains`: it is to go. A failure that may leave it running says nothing: its lease is its own. */
const whatOf = (event: Gone | Alarm): Extract<EndReason, 'stopped' | 'crashed'> | 'drains' | undefined => {
  switch (event.message) {
    case 'agentStopped':
      return 'stopped';
    case 'agentDraining':
      return 'drains';
    case 'failure':
      return event.body.failure_type === 'process_crash' ? 'crashed' : undefined;
    case 'alarm':
      return undefined;
    default:
      throw event satisfies never;
  }
};

export const decide = (state: Leadership | undefined, event: Gone | Alarm, context: Context<Settings>): Decision<Leadership> => {
  const what = whatOf(event);
  if (!state || !what || event.message === 'alarm') return done();
  const publish: Output[] = [];
  const also: Record<EntityKey, Election> = {};
  const kept: string[] = [];
  for (const domain of state.domains) {
    const after = afterwards(domain, context.also(electionKind, domain), what, event.sentAt, context);
    if (after?.election) also[keyOf(electionKind.kind, domain)] = after.election;
    publish.push(...(after?.publish ?? []));
    if (after?.keeps) kept.push(domain);
  }
  const changes = kept.length !== state.domains.length || publish.length > 0 || Object.keys(also).length > 0;
  return changes ? done({ state: { ...state, domains: kept }, publish, also }) : done();
};

type Afterwards = { election?: Election; publish?: Output[]; keeps?: true };

const afterwards = (
  domain: string,
  election: Election | undefined,
  what: 'stopped' | 'crashed' | 'drains',
  sentAt: number,
  { id, now, settings }: Context<Settings>,
): Afterwards | undefined => {
  if (!election) return;
  const isMeant = isSince(election, sentAt, settings);
  if ((election.phase === 'free' ? election.lapsed : election.leader) !== id) return;
  // A heartbeat of it that comes late does not make it leader again.
  if (election.phase === 'free') return isMeant ? { election: vacated(election, now) } : { keeps: true };
  if (!isMeant || (what === 'drains' && election.retiring)) return { keeps: true };
  if (what === 'drains') return { election: { ...election, retiring: true }, keeps: true };
  return { election: vacated(election, now), publish: ended(domain, election, id, what) };
};

export const leaderships = defineEntity({
  of: leadershipKind,
  accepts: [agentStopped, failure, agentDraining],
  id: (event) => event.body.agent_id,
  decide,
  also: (state: Leadership | undefined, event: Gone | Alarm) =>
    whatOf(event) ? (state?.domains ?? []).map((domain) => keyOf(electionKind.kind, domain)) : [],
});
