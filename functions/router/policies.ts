/** The policies that operators set: one entity, for there are few and every decision asks for them. */
import { isDeepStrictEqual } from 'node:util';
import { type Alarm, type Context, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import { iso } from '#shared/iso.ts';
import { controlRoutingRemove, controlRoutingSet } from '#shared/messages/control-routing.ts';
import type { Received } from '#shared/messages/message.ts';
import { type Entry, ROUTING, type Routing, routingKind } from '#shared/routing/policies.ts';

const MAX_POLICIES = 200;
/** Of their JSON, so that the entity fits an item. */
const MAX_BYTES = 300_000;

export const toWire = ({ at, ...entry }: Entry) => ({ ...entry, at: iso(at) });

const refused = (code: string, message: string): Decision<Routing> => done({ reply: { error: { code, message } } });

const said = (entry: Entry) => ({ reply: { body: { policy: toWire(entry) } } });

const set = ({ policies }: Routing, { body }: Received<typeof controlRoutingSet>, { now }: Pick<Context, 'now'>): Decision<Routing> => {
  const { pattern, policy, by } = body;
  const known = policies.find((one) => one.pattern === pattern);
  if (known && known.by === by && isDeepStrictEqual(known.policy, policy)) return done(said(known));
  const entry: Entry = { pattern, policy, by, at: now };
  const state = { policies: [...policies.filter((one) => one !== known), entry] };
  if (state.policies.length > MAX_POLICIES)
    return refused(
      'too_many',
      `there are ${policies.length} policies already: remove one with control.routing.remove, or set a wider pattern`,
    );
  if (Buffer.byteLength(JSON.stringify(state)) > MAX_BYTES)
    return refused('too_large', `the policies would take more than ${MAX_BYTES} bytes: name fewer agents, or go by capability or zone`);
  return done({ state, ...said(entry) });
};

const remove = ({ policies }: Routing, { body: { pattern } }: Received<typeof controlRoutingRemove>): Decision<Routing> => {
  const known = policies.find((one) => one.pattern === pattern);
  if (!known) return refused('not_found', `no policy has the pattern ${pattern}: control.routing.list says which there are`);
  return done({ state: { policies: policies.filter((one) => one !== known) }, ...said(known) });
};

export const policies = defineEntity({
  of: routingKind,
  accepts: [controlRoutingSet, controlRoutingRemove],
  id: () => ROUTING,
  decide: (before, event: Received<typeof controlRoutingSet | typeof controlRoutingRemove> | Alarm, context): Decision<Routing> => {
    const routing = before ?? { policies: [] };
    switch (event.message) {
      case 'alarm':
        return done();
      case 'controlRoutingSet':
        return set(routing, event, context);
      case 'controlRoutingRemove':
        return remove(routing, event);
      default:
        throw event satisfies never;
    }
  },
});
