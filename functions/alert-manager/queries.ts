/** `control.alerts.list`: the groups of alerts that fire, a page at a time, or the silences in force. */
import { type Page, readPage } from '#shared/entity/page.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlAlertsList } from '#shared/messages/control-supervision.ts';
import type { Received } from '#shared/messages/message.ts';
import { alertsKind, FIRING, type Group, toWire } from './group.ts';
import { inForce, SILENCES_ID, type Silence, silencesKind, toWire as silenceToWire } from './silence.ts';

const DEFAULT_LIMIT = 100;
/** A group is at most 3 KB in the answer, which has to fit a message. */
const MAX_LIMIT = 300;

export type Shown = ({ view: 'groups' } & Page<Group>) | { view: 'silences'; silences: readonly Silence[] };

const read = async ({ body }: Received<typeof controlAlertsList>, reader: Reader): Promise<Shown> => {
  const { view = 'groups', after } = body;
  if (view === 'silences') {
    const states = await reader.load(silencesKind, [SILENCES_ID]);
    return { view, silences: states.get(SILENCES_ID)?.silences ?? [] };
  }
  const limit = Math.min(body.limit ?? DEFAULT_LIMIT, MAX_LIMIT);
  return { view, ...(await readPage(reader, alertsKind, FIRING, { after, limit })) };
};

export const list = defineQuery({
  message: controlAlertsList,
  read,
  answer: (page: Shown, { body: { severity } }, now) => {
    if (page.view === 'silences') return { body: { silences: inForce(page.silences, now).map(silenceToWire) } };
    // The lookup lags behind the state.
    const firing = [...page.states].filter(
      ([, group]) => group.status === 'firing' && (severity === undefined || group.severity === severity),
    );
    return { body: { groups: firing.map(([id, group]) => toWire(id, group)), ...(page.next !== undefined && { next: page.next }) } };
  },
});
