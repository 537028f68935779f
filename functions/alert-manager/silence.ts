/**
 * Silences: what people do not want to be told of until a time. They are few and asked for at every notification, so they are
 * one entity. A group keeps to them when it would be told, so that what still fires when a silence ends is told then.
 */
import * as z from 'zod';
import { type Context, type Decision, defineEntity, done } from '#shared/entity/entity.ts';
import type { Kind } from '#shared/entity/kind.ts';
import { iso } from '#shared/iso.ts';
import { controlAlertsSilence, controlAlertsUnsilence } from '#shared/messages/control-supervision.ts';
import { severity } from '#shared/messages/fields.ts';
import type { Received } from '#shared/messages/message.ts';
import type { Group } from './group.ts';

export const MAX_SILENCES = 200;
const MAX_TEXT = 200;
export const SILENCES_ID = 'main';

const text = z.string().transform((long) => long.slice(0, MAX_TEXT));

const silenceSchema = z.object({
  id: z.string(),
  source: z.string().optional(),
  /** Its name or its id. */
  group: z.string().optional(),
  agentId: z.string().optional(),
  severity: severity.optional(),
  /** Epoch ms. */
  until: z.number(),
  reason: text.optional(),
  by: text.optional(),
});
export type Silence = z.infer<typeof silenceSchema>;

const silencesSchema = z.object({ silences: z.array(silenceSchema) });
export type Silences = z.infer<typeof silencesSchema>;

export const silencesKind: Kind<Silences> = { kind: 'silences', schema: silencesSchema, version: 1 };

export const inForce = (silences: readonly Silence[], now: number): Silence[] => silences.filter(({ until }) => until > now);

/**
 * Until when a group is silent at least, epoch ms; undefined: it is not. One that has agents is also silent when each of them
 * is.
 */
export const silentUntil = (silences: readonly Silence[], id: string, group: Group, now: number): number | undefined => {
  const about = inForce(silences, now).filter(
    (one) =>
      (one.source === undefined || one.source === group.source) &&
      (one.group === undefined || one.group === id || one.group === group.name) &&
      (one.severity === undefined || one.severity === group.severity) &&
      (one.agentId === undefined || group.agents.includes(one.agentId)),
  );
  const agents = new Set(about.map(({ agentId }) => agentId));
  const isSilent = agents.has(undefined) || (group.agents.length > 0 && group.agents.every((agent) => agents.has(agent)));
  return isSilent ? Math.min(...about.map(({ until }) => until)) : undefined;
};

export const toWire = ({ id, agentId, until, ...rest }: Silence) => ({
  silence_id: id,
  ...rest,
  ...(agentId !== undefined && { agent_id: agentId }),
  until: iso(until),
});

type Event = Received<typeof controlAlertsSilence> | Received<typeof controlAlertsUnsilence>;

const refused = (code: string, message: string): Decision<Silences> => done({ reply: { error: { code, message } } });

const add = ({ body }: Received<typeof controlAlertsSilence>, silences: Silence[], { now, newId }: Context): Decision<Silences> => {
  const until = Date.parse(body.until);
  if (until <= now) return refused('invalid', `until ${body.until} is over already: give a time to come`);
  if (silences.length >= MAX_SILENCES)
    return refused(
      'too_many',
      `there are ${silences.length} silences already: remove one with control.alerts.unsilence, or silence a source`,
    );
  const { source, group, agent_id: agentId, severity, reason, by } = body;
  const said = { source, group, agentId, severity, reason: reason?.slice(0, MAX_TEXT), by: by?.slice(0, MAX_TEXT) };
  const given = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
  const silence: Silence = { ...given, id: newId(), until };
  return done({ state: { silences: [...silences, silence] }, reply: { body: { silence: toWire(silence) } } });
};

const remove = (id: string, silences: Silence[]): Decision<Silences> => {
  const silence = silences.find((one) => one.id === id);
  if (!silence) return refused('not_found', `there is no silence ${id}: control.alerts.list with view silences says which are in force`);
  return done({ state: { silences: silences.filter((one) => one !== silence) }, reply: { body: { silence: toWire(silence) } } });
};

export const silences = defineEntity({
  of: silencesKind,
  accepts: [controlAlertsSilence, controlAlertsUnsilence],
  id: () => SILENCES_ID,
  decide: (before, event: Event | { message: 'alarm' }, context): Decision<Silences> => {
    const current = inForce(before?.silences ?? [], context.now);
    switch (event.message) {
      case 'alarm':
        return done({ wakeAt: null });
      case 'controlAlertsSilence':
        return add(event, current, context);
      case 'controlAlertsUnsilence':
        return remove(event.body.silence_id, current);
      default:
        throw event satisfies never;
    }
  },
});
