/** What an alarm makes of an agent's silence: nothing, suspicion, or the word that it is unresponsive. Pure. */
import { type Alarm, type Context, type Decision, done } from '#shared/entity/entity.ts';
import type { Health } from './health.ts';
import { checkAt, later } from './life.ts';
import { asked, silent, told } from './outputs.ts';
import { patienceWith } from './patience.ts';
import type { Settings } from './settings.ts';

export const ring = (health: Health | undefined, alarm: Alarm, context: Context<Settings>): Decision<Health> => {
  if (!health) return done();
  switch (health.watch) {
    case 'alive':
      return check(health, alarm, context);
    case 'suspect':
      return conclude(health, alarm, context);
    case 'unwatched':
    case 'unresponsive':
      return done({ wakeAt: null });
    default:
      throw health.watch satisfies never;
  }
};

const isLate = ({ due }: Alarm, { now, settings }: Context<Settings>): boolean => now - due > settings.lateMs;

/** The check of an agent that is alive. */
const check = (health: Health, alarm: Alarm, context: Context<Settings>): Decision<Health> => {
  const { now, wakeAt } = context;
  // The sweep came for what this entity published, and knows of no silence.
  if (alarm.swept && (wakeAt === null || now < wakeAt)) return later(health, context);
  if (isLate(alarm, context)) return later(health, context);
  const { suspectAfter, askFor, fixed } = patienceWith(health, context.settings);
  // The check was set so long after the last sign of life; the sweep only knows the one that is written.
  const lastSign = alarm.swept ? health.lastSeen : Math.max(health.lastSeen, alarm.due - suspectAfter);
  const lastSeen = Math.max(lastSign, alarm.heardSince ?? 0);
  if (now < lastSeen + suspectAfter) return checkAt(health, lastSeen + suspectAfter, context);
  const until = alarm.swept ? now + askFor : Math.max(now, Math.min(now + askFor, lastSeen + fixed));
  return done({ state: { ...health, watch: 'suspect', since: now, lastSeen }, wakeAt: until, publish: [asked(context)] });
};

/** The suspect had its time. */
const conclude = (health: Health, alarm: Alarm, context: Context<Settings>): Decision<Health> => {
  const { now, wakeAt, settings } = context;
  if (wakeAt !== null && now < wakeAt) return done();
  const wasDeaf = (alarm.heardSince ?? 0) > health.since;
  if (wasDeaf || alarm.swept || isLate(alarm, context)) {
    const { suspectAfter } = patienceWith(health, settings);
    return done({ state: { ...health, since: now }, wakeAt: now + suspectAfter, publish: [asked(context)] });
  }
  const unresponsive: Health = { ...health, watch: 'unresponsive', since: now, reported: 'unresponsive' };
  return done({ state: unresponsive, wakeAt: null, publish: [told(unresponsive, {}, context), silent(unresponsive, context)] });
};
