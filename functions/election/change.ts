/** What a decision about an election may come to. Pure. */
import type { Context, Done, Output } from '#shared/entity/entity.ts';
import { keyOf } from '#shared/entity/key.ts';
import { type Election, type Held, lapse, leadershipKind, ledBy, renewed, vacated } from './election.ts';
import { answered, elected, ended } from './outputs.ts';
import type { Settings } from './settings.ts';

export type Ctx = Context<Settings>;
export type Change = Done<Election>;
/** The election as it is by now; `news`: that the lease ran out is not said yet. */
export type Step = { election: Election; news: Output[] };

export const stepOf = (before: Election, { now, id }: Ctx): Step => {
  const election = lapse(before, now);
  return { election, news: before.phase === 'held' && election !== before ? ended(id, before, before.leader, 'expired') : [] };
};

export const become = ({ news }: Step, election: Election, publish: Output[] = []): Change => ({
  outcome: 'done',
  state: election,
  wakeAt: election.phase === 'held' ? election.until : null,
  publish: [...news, ...publish],
});

export const stay = (step: Step): Change => (step.news.length === 0 ? { outcome: 'done' } : become(step, step.election));

type Asked = { candidate: string; reply?: string | undefined };

export const elect = (step: Step, asked: Asked, context: Ctx, atLeast = 0): Change => {
  const { now, id, settings } = context;
  const election = ledBy(step.election, asked.candidate, now, settings, atLeast);
  const change = become(step, election, [answered(id, asked, election, settings), ...elected(id, election)]);
  return { ...change, ...remembered(asked.candidate, context) };
};

/** A transaction takes 100 entities. */
const MAX_DOMAINS = 90;

const remembered = (candidate: string, { id, now, also }: Ctx): Pick<Change, 'also'> => {
  const known = also(leadershipKind, candidate)?.domains ?? [];
  if (known.includes(id)) return {};
  return { also: { [keyOf(leadershipKind.kind, candidate)]: { domains: [...known, id].slice(-MAX_DOMAINS), since: now } } };
};

export const isLeader = (election: Election, agent: string): election is Held => election.phase === 'held' && election.leader === agent;

export const renew = (step: Step, election: Held, asked: Asked | undefined, { id, now, settings }: Ctx): Change => {
  const after = renewed(election, now, settings);
  return become(step, after, asked && [answered(id, asked, after, settings)]);
};

/** A leader that asks has begun anew: what is yet to be heard of its end is of an earlier life. */
export const again = (step: Step, election: Held, asked: Asked, context: Ctx): Change =>
  renew(step, { ...election, since: Math.max(election.since, context.now) }, asked, context);

/** Whether something was said of this leader's time, and not of the one before. */
export const isSince = ({ since }: Election, sentAt: number, { skewMs }: Settings): boolean => sentAt > since + skewMs;

export const leave = (step: Step, election: Held, reason: 'resigned', { id, now }: Ctx): Change =>
  become(step, vacated(election, now), ended(id, election, election.leader, reason));
