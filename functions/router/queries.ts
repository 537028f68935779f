/** `control.routing.list` and `explain`: the policies; who would get a message, who would not, and why. */
import type { Reader } from '#shared/entity/reader.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlRoutingExplain, controlRoutingList } from '#shared/messages/control-routing.ts';
import type { Received } from '#shared/messages/message.ts';
import { DEFAULT_POLICY, ROUTING, type Routing, routingKind } from '#shared/routing/policies.ts';
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

export const explain = defineQuery({
  message: controlRoutingExplain,
  read: readKnown,
  answer: ({ turns, view }: Known, event, now) => {
    const asked = askedBy(event);
    const { targets, why, entry, candidates, eligible, left, leftBy } = decideRoute(asked, turns, view, now, true);
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
      },
    };
  },
});
