/**
 * Alarms as server-side message schedules (nats-server 2.12 and later) in the work-queue stream TIMERS. An alarm is the
 * last message of `timers.set.<function>.<kind>.<id>`; when due, the server replaces it by one at
 * `timers.due.<function>.<kind>.<id>.<token>`, up to 250 ms late. A time in the past is due at once. The token is another one
 * each time: a due message that took the place of an earlier one would settle it, and what that one published might be lost.
 *
 * An alarm carries the version of the item that wants it, and an older version never touches a newer alarm: every write
 * names the sequence that it replaces, every removal the sequence up to which it removes. Once an alarm is due there is
 * nothing left to protect: a stray one is only a hint.
 */
import { JetStreamApiCodes } from '@nats-io/jetstream';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import { MsgHdrsImpl, nuid } from '@nats-io/transport-node';
import type { Clock } from '#shared/clock.ts';
import type { Timer } from '#shared/contract.ts';
import { PublishError, type Publisher } from '../ports/ports.ts';
import { readPubAck, refusal } from './pub-ack.ts';
import type { Requests } from './requests.ts';

export const TIMERS_STREAM = 'TIMERS';
export const dueSubjects = (functionName: string): string => `timers.due.${functionName}.>`;

const VERSION_HEADER = 'X-Entity-Version';
const WRONG_LAST_SEQUENCE = [10071, 10164];
const TRIES = 5;
const REMEMBERED = 50_000;
const KEY = /^[^\s.*>]+\.[^\s.*>]+$/;

/** What was confirmed so lately is not said again; the sweep sees to what a stream loses. */
const CONFIRMED_MS = 60_000;

/** An alarm as the server holds it; sequence 0: none. `at` in epoch ms; `confirmedAt`: when this bridge was told that it is set. */
type Standing = { sequence: number; version: number; at: number; confirmedAt?: number };
const none: Standing = { sequence: 0, version: 0, at: 0 };

/** The leader's answer. */
type Found = { message?: { seq: number; hdrs?: string }; error?: { err_code: number; description: string } };

const standingOf = (sequence: number, headers: MsgHdrs | undefined): Standing => ({
  sequence,
  version: Number(headers?.get(VERSION_HEADER) ?? 0),
  at: Date.parse((headers?.get('Nats-Schedule') ?? '').slice('@at '.length)),
});

/** The alarms set last by this bridge, so that most writes need no read before. */
const recent = () => {
  const known = new Map<string, Standing>();
  return {
    get: (subject: string) => known.get(subject),
    set(subject: string, standing: Standing) {
      known.delete(subject);
      known.set(subject, standing);
      if (known.size > REMEMBERED) known.delete(known.keys().next().value as string);
    },
  };
};

export const timers = ({ inFlight, clock }: { inFlight: Requests; clock: Clock }): Pick<Publisher, 'setTimers'> => {
  const known = recent();

  /** As any replica has it, which is cheaper and may be behind. */
  const glance = async (subject: string): Promise<Standing> => {
    const msg = await inFlight.ask(`$JS.API.DIRECT.GET.${TIMERS_STREAM}.${subject}`, '');
    const { headers } = msg;
    if (headers?.code === 404) return none;
    const sequence = Number(headers?.get('Nats-Sequence'));
    if (!sequence) throw new PublishError(`${subject}: the alarm cannot be read: ${headers?.description || msg.string()}`, true);
    return standingOf(sequence, headers);
  };

  /** As the leader has it, which decides what may be written. */
  const read = async (subject: string): Promise<Standing> => {
    const request = JSON.stringify({ last_by_subj: subject });
    const { message, error } = (await inFlight.ask(`$JS.API.STREAM.MSG.GET.${TIMERS_STREAM}`, request)).json<Found>();
    if (error?.err_code === JetStreamApiCodes.NoMessageFound) return none;
    if (!message) throw new PublishError(`${subject}: the alarm cannot be read: ${error?.description}`, true);
    return standingOf(message.seq, message.hdrs ? MsgHdrsImpl.decode(Buffer.from(message.hdrs, 'base64')) : undefined);
  };

  /** The sequence it was stored at, or undefined where `expected` was not the last one. */
  const write = async (subject: string, target: string, at: string, version: number, expected: number) => {
    const answer = readPubAck(await inFlight.ask(subject, JSON.stringify({ due: at }), scheduleHeaders(target, at, version, expected)));
    if (!answer) throw new PublishError(`${subject}: the answer is not a stream's; does somebody else answer on timers.>?`, true);
    if (!('error' in answer)) return answer.seq;
    if (WRONG_LAST_SEQUENCE.includes(answer.error.err_code)) return undefined;
    throw refusal(subject, answer.error);
  };

  const set = async (subject: string, target: string, at: string, version: number) => {
    const remembered = known.get(subject);
    // What was due by now has been replaced by its due message.
    let standing = remembered && remembered.at > clock.now() ? remembered : none;
    const { confirmedAt = -Infinity } = standing;
    if (standing.version === version && standing.at === Date.parse(at) && clock.now() - confirmedAt < CONFIRMED_MS) return;
    for (let attempt = 0; attempt < TRIES; attempt++) {
      if (standing.sequence > 0 && standing.version > version) return known.set(subject, standing);
      const sequence = await write(subject, target, at, version, standing.sequence);
      if (sequence) return known.set(subject, { sequence, version, at: Date.parse(at), confirmedAt: clock.now() });
      standing = await read(subject);
    }
    throw new PublishError(`${subject}: the alarm was changed by another writer ${TRIES} times in a row`, true);
  };

  const remove = async (subject: string, version: number) => {
    let standing = known.get(subject) ?? (await glance(subject));
    for (let attempt = 0; attempt < TRIES; attempt++) {
      if (standing.sequence === 0 || standing.version > version) return known.set(subject, standing);
      // A purge removes what lies below its sequence.
      const bound = { filter: subject, seq: standing.sequence + 1 };
      const purged = removed(await inFlight.ask(`$JS.API.STREAM.PURGE.${TIMERS_STREAM}`, JSON.stringify(bound)), subject);
      if (purged > 0) return known.set(subject, none);
      standing = await read(subject);
    }
    throw new PublishError(`${subject}: the alarm was changed by another writer ${TRIES} times in a row`, true);
  };

  return {
    async setTimers(functionName, wanted) {
      const newest = new Map<string, Timer>();
      for (const timer of wanted) {
        if (!KEY.test(timer.key))
          throw new PublishError(`${JSON.stringify(timer.key)} is no timer key: it must be <kind>.<id>, each one token`, false);
        if (timer.at !== null && Number.isNaN(Date.parse(timer.at)))
          throw new PublishError(`the timer ${timer.key} has no ISO time: ${JSON.stringify(timer.at)}`, false);
        if (timer.version >= (newest.get(timer.key)?.version ?? 0)) newest.set(timer.key, timer);
      }
      const all = [...newest.values()].map(({ key, at, version }) => {
        const subject = `timers.set.${functionName}.${key}`;
        if (at === null) return remove(subject, version);
        return set(subject, `timers.due.${functionName}.${key}.${nuid.next()}`, new Date(at).toISOString(), version);
      });
      const failures = (await Promise.allSettled(all)).flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
      if (failures.length > 0) throw failures.find((failure) => !failure.retryable) ?? failures[0];
    },
  };
};

const scheduleHeaders = (target: string, at: string, version: number, expected: number): MsgHdrs =>
  MsgHdrsImpl.fromRecord({
    'Nats-Schedule': [`@at ${at}`],
    'Nats-Schedule-Target': [target],
    'Nats-Expected-Last-Subject-Sequence': [String(expected)],
    [VERSION_HEADER]: [String(version)],
  });

const removed = (msg: Msg, subject: string): number => {
  const answer = msg.json<{ purged?: number; error?: { code: number; err_code: number; description: string } }>();
  if (answer.error) throw refusal(subject, answer.error);
  return answer.purged ?? 0;
};
