/**
 * `route.<subject>`: who should get a message, for those who send it themselves. `control.routing.explain` is the same decision,
 * told in full and not remembered.
 *
 * What was chosen for a subject is remembered, for the choice of the next one depends on it: one write a batch and subject, none
 * where `power_of_two_choices` draws. Nobody says here how long a message keeps its receiver busy, so equals take turns.
 */
import { type Alarm, type Context, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import { fnv1a } from '#shared/fnv1a.ts';
import type { Received } from '#shared/messages/message.ts';
import { route as routeMessage } from '#shared/messages/routing.ts';
import { balancerOf } from '#shared/routing/choice.ts';
import { DEFAULT_POLICY, type Entry, policyFor } from '#shared/routing/policies.ts';
import { type Route, route } from '#shared/routing/route.ts';
import { type Asked, askedBy, needOf, priorityOf, turnsIdOf } from './asked.ts';
import { inTurn, remembered, type Turns, turnsKind } from './turns.ts';
import { candidatesFor, readView, type View } from './view.ts';

export type Decided = Route & { entry: Entry | undefined; candidates: number };

/** The decision, for a message and for an explanation. */
export const decideRoute = (asked: Asked, turns: Turns | undefined, view: View, now: number, explain: boolean): Decided => {
  const { subject, body, seed } = asked;
  const entry = policyFor(view.routing, subject);
  const candidates = candidatesFor(subject, view, now).map((candidate) => inTurn(candidate, turns));
  const policy = entry?.policy ?? DEFAULT_POLICY;
  const decided = route({
    candidates,
    policy,
    need: needOf(body),
    priority: priorityOf(asked),
    seed: fnv1a(seed),
    count: body.count,
    explain,
  });
  return { ...decided, entry, candidates: candidates.length };
};

const isRemembered = ({ targets, entry }: Decided): boolean =>
  targets.length > 0 && balancerOf(entry?.policy ?? DEFAULT_POLICY) !== 'power_of_two_choices';

export const decide = (
  turns: Turns | undefined,
  event: Received<typeof routeMessage> | Alarm,
  { now, view }: Pick<Context<unknown, View>, 'now' | 'view'>,
): Decision<Turns> => {
  if (event.message === 'alarm') return done();
  const decided = decideRoute(askedBy(event), turns, view, now, false);
  const { targets, why, policy } = decided;
  return done({
    ...(isRemembered(decided) && { state: remembered(turns, targets, now) }),
    reply: { body: { targets: targets.map(({ id }) => id), why, policy } },
  });
};

export const turns = defineEntity({
  of: turnsKind,
  accepts: [routeMessage],
  id: (event) => turnsIdOf(askedBy(event).subject),
  decide,
  read: (events, reader) =>
    readView(
      reader,
      events.flatMap((event) => (event.message === 'alarm' ? [] : askedBy(event))),
    ),
});
