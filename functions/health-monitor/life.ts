/** What a sign of life makes of an agent's health. It is written down when something changed, and every 150 s. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { Rhythm } from '#shared/contract.ts';
import { type Context, type Decision, type Done, done, type Output } from '#shared/entity/entity.ts';
import { CROSSED_MS } from '#shared/registry/agent-id.ts';
import { type Health, type Level, worst } from './health.ts';
import { judge, levelOf, type Values } from './levels.ts';
import { told } from './outputs.ts';
import { patienceWith } from './patience.ts';
import type { Settings } from './settings.ts';

/** A sign of life. `answer`: it keeps the watch, `report` keeps what is known, `heartbeat` and `start` begin the watch. */
export type Sign = {
  /** Epoch ms. */
  at: number;
  by: 'heartbeat' | 'start' | 'report' | 'answer';
  rhythm?: Rhythm;
  intervalMs?: number;
  instanceId?: string;
  declared?: Level;
  values?: Values;
};

/** Where nothing else changed, the last sign of life is written no more often. */
const SEEN_EVERY_MS = 150_000;
/** A rhythm, or the beginning of a worse level, is written no more often. */
const QUIET_MS = 10_000;
/** A rhythm is known, and an older one given up for it, after so many intervals. */
const MATURE = 10;
/** A rhythm that changes an agent's time by such a part is written at once. */
const MATERIAL = 0.25;

/** Of an agent that nothing is known of. */
const unwatched = (at: number): Health => ({
  watch: 'unwatched',
  since: at,
  lastSeen: at,
  reported: 'healthy',
  declared: 'healthy',
  metrics: {},
});

export const sign = (before: Health | undefined, heard: Sign, context: Context<Settings>): Decision<Health> => {
  if (!before && heard.by === 'answer') return done();
  const known = before ?? unwatched(heard.at);
  if (isCrossing(before, heard)) return done();
  const after = lived(known, heard, context);
  const publish = changeTold(known, after, heard, context);
  if (before && publish.length === 0 && !isWorthWriting(before, after, context.settings)) return later(before, context, heard.at);
  return { ...later(after, context, heard.at), state: after, wakeAt: boundOf(after, context), publish };
};

/** The check is moved on from a sign of life `at` (epoch ms), or from now. Where that is all, nothing is written. */
export const later = (health: Health, context: Context<Settings>, at = context.now): Done<Health> => {
  const { now, settings } = context;
  if (health.watch !== 'alive') return { outcome: 'done' };
  const { suspectAfter } = patienceWith(health, settings);
  // What was long on its way here says nothing of how long the next one takes.
  const from = now - at > Math.min(settings.lateMs, suspectAfter / 2) ? now : at;
  return checkAt(health, from + suspectAfter, context);
};

/** Beyond the alarm that is written, that one is moved, too. */
export const checkAt = (health: Health, time: number, { wakeAt, settings }: Context<Settings>): Done<Health> => {
  const isBeyond = wakeAt !== null && wakeAt < time;
  return { outcome: 'done', checkAt: time, ...(isBeyond && { wakeAt: time + patienceWith(health, settings).fixed }) };
};

/** When even the last sign of life that is not written is older than the fixed rule allows: the sweep's alarm. */
export const boundOf = (health: Health, { settings }: Context<Settings>): number | null =>
  health.watch === 'alive' ? health.lastSeen + SEEN_EVERY_MS + patienceWith(health, settings).fixed : null;

const isCrossing = (before: Health | undefined, { by, at }: Sign): boolean =>
  before?.stoppedAt !== undefined && by === 'heartbeat' && at < before.stoppedAt + CROSSED_MS;

const lived = (known: Health, heard: Sign, { settings }: Context<Settings>): Health => {
  // After silence it is judged anew: it may be another version of itself, with another rhythm.
  const { metrics, declared, rhythm: knownRhythm } = known.watch === 'unresponsive' ? unwatched(heard.at) : known;
  const watch = known.watch === 'unwatched' && (heard.by === 'report' || heard.by === 'answer') ? 'unwatched' : 'alive';
  const mayBegin = heard.at - known.lastSeen >= QUIET_MS || known.lastSeen === heard.at;
  const levels = judge(metrics, heard.values ?? {}, heard.at, mayBegin, settings);
  const word = heard.declared ?? declared;
  const isBetterKnown = heard.rhythm && heard.rhythm.intervals >= Math.min(knownRhythm?.intervals ?? 0, MATURE);
  const rhythm = isBetterKnown ? heard.rhythm : knownRhythm;
  const { stoppedAt, rhythm: _, ...rest } = known;
  return {
    ...rest,
    ...(watch === 'unwatched' && stoppedAt !== undefined && { stoppedAt }),
    watch,
    since: watch === known.watch ? known.since : heard.at,
    lastSeen: heard.at,
    ...(rhythm && { rhythm }),
    ...(heard.intervalMs !== undefined && { intervalMs: heard.intervalMs }),
    ...(heard.instanceId !== undefined && { instanceId: heard.instanceId }),
    reported: worst([levelOf(levels), word]),
    declared: word,
    metrics: levels,
  };
};

/** What the agent said itself is not said again. */
const changeTold = (before: Health, after: Health, { declared, values = {} }: Sign, context: Context<Settings>): Output[] =>
  before.reported === after.reported || after.reported === declared ? [] : [told(after, values, context)];

const isWorthWriting = (before: Health, after: Health, settings: Settings): boolean => {
  const age = after.lastSeen - before.lastSeen;
  const { lastSeen: _, rhythm, ...rest } = after;
  const { lastSeen: __, rhythm: ___, ...restBefore } = before;
  if (age >= SEEN_EVERY_MS || !isDeepStrictEqual(rest, restBefore)) return true;
  if (after.watch !== 'alive' || (rhythm?.intervals ?? 0) < MATURE) return false;
  const isFirst = (before.rhythm?.intervals ?? 0) < MATURE;
  if (!isFirst && age < QUIET_MS) return false;
  const [was, is] = [patienceWith(before, settings).suspectAfter, patienceWith(after, settings).suspectAfter];
  return Math.abs(is - was) > MATERIAL * was;
};

/** It ended, or another instance that took its place did. */
export const stop = (
  before: Health | undefined,
  at: number,
  instanceId: string | undefined,
  context: Context<Settings>,
): Decision<Health> => {
  if (!before) return done();
  const another = instanceId !== undefined && before.instanceId !== undefined && instanceId !== before.instanceId;
  if (another) return later(before, context);
  return done({ state: { ...unwatched(Math.max(at, before.lastSeen)), stoppedAt: at }, wakeAt: null });
};

/** Somebody else missed it. */
export const declaredUnresponsive = (before: Health | undefined, at: number): Decision<Health> => {
  const known = before ?? unwatched(at);
  if (known.watch === 'unresponsive') return done();
  return done({ state: { ...known, watch: 'unresponsive', since: at, reported: 'unresponsive' }, wakeAt: null });
};
