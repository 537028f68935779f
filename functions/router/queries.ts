/** `control.routing.list` and `explain`: the policies; who would get a message, who would not, and why. */
import type { Reader } from '#shared/entity/reader.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlRoutingExplain, controlRoutingList } from '#shared/messages/control-routing.ts';
import type { Received } from '#shared/messages/message.ts';
import type { Policy } from '#shared/messages/routing-policy.ts';
import { DEFAULT_POLICY, namedBy, ROUTING, type Routing, routingKind } from '#shared/routing/policies.ts';
import { askedBy, turnsIdOf } from './asked.ts';
import { decideRoute } from './decide.ts';
import { toWire } from './policies.ts';
import { type Turns, turnsKind } from './turns.ts';
import { readView, type View } from './view.ts';

export const list = defineQuery({
  message: controlRoutingList,
  read: async (_, reader) => (await reader.load(routingKind, [ROUTING])).get(ROUTING),
  answer: (routing: Routing | undefined) => ({
    body: {
      policies: (routing?.policies ?? []).map(toWire).sort((a, b) => (a.pattern < b.pattern ? -1 : 1)),
      default: DEFAULT_POLICY,
    },
  }),
});

type Known = { turns: Turns | undefined; view: View };

const readKnown = async (event: Received<typeof controlRoutingExplain>, reader: Reader): Promise<Known> => {
  const asked = askedBy(event);
  const id = turnsIdOf(asked.subject);
  const [turns, view] = await Promise.all([reader.load(turnsKind, [id]), readView(reader, [asked])]);
  return { turns: turns.get(id), view };
};

const MAX_UNKNOWN = 100;

/** Whom a policy names and no registry knows: perhaps an id that is misspelt. */
const unknownOf = (policy: Policy, { fleet }: View): string[] =>
  [...new Set(namedBy(policy))].filter((id) => !fleet.agents.has(id)).slice(0, MAX_UNKNOWN);

export const explain = defineQuery({
  message: controlRoutingExplain,
  read: readKnown,
  answer: ({ turns, view }: Known, event, now) => {
    const asked = askedBy(event);
    const { targets, why, entry, candidates, eligible, left, leftBy } = decideRoute(asked, turns, view, now, true);
    const unknown = entry ? unknownOf(entry.policy, view) : [];
    return {
      body: {
        subject: asked.subject,
        targets: targets.map(({ id }) => id),
        why,
        ...(entry ? { policy: toWire(entry) } : { policy: { policy: DEFAULT_POLICY } }),
        candidates,
        eligible,
        left,
        left_by_reason: leftBy,
        ...(unknown.length > 0 && { unknown }),
      },
    };
  },
});
