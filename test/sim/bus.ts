/** Where outputs and dead letters go: a stream that knows a message id again for two minutes, and a publisher that may fail. */
import { type Outgoing, PublishError, type Publisher } from '#infra/bridge/ports/ports.ts';
import type { Timer } from '#shared/contract.ts';
import { type Bed, pause } from './bed.ts';
import type { Schedules } from './schedules.ts';

const DEDUPLICATION_MS = 120_000;

export type Bus = ReturnType<typeof createBus>;

export const createBus = (bed: Bed, schedules: Schedules) => {
  const seenAt = new Map<string, number>();
  /** What a subscriber that honours message ids has seen, in order. */
  const received = new Map<string, { subject: string; data: string }>();
  const conflicts: string[] = [];

  const land = ({ subject, data, messageId }: Outgoing) => {
    const text = typeof data === 'string' ? data : Buffer.from(data).toString();
    const first = received.get(messageId);
    if (first && first.data !== text)
      conflicts.push(`${messageId} was published with two contents: ${first.data.slice(0, 80)} and ${text.slice(0, 80)}`);
    const stored = bed.time.now() - (seenAt.get(messageId) ?? -Infinity) > DEDUPLICATION_MS;
    if (stored) seenAt.set(messageId, bed.time.now());
    if (!first) received.set(messageId, { subject, data: text });
    bed.log(() => `${subject} is published${stored ? '' : ' again'}: ${text.slice(0, 60)} (${messageId})`);
  };

  const publish = async (messages: readonly Outgoing[]) => {
    await pause(bed, bed.random.between(1, 5));
    const slow = bed.spoilt('a publish is slow');
    if (slow !== undefined) await pause(bed, Math.round(slow * 3000));
    const fails = bed.spoilt('a publish fails');
    const landing = fails === undefined ? messages : messages.slice(0, Math.floor(fails * messages.length));
    for (const message of landing) land(message);
    await pause(bed, bed.random.between(1, 5));
    if (fails !== undefined || bed.spoilt('a publish lands, its answer is lost') !== undefined) throw new PublishError('no answer', true);
  };

  const setTimers = async (_name: string, timers: readonly Timer[]) => {
    const late = bed.spoilt('an alarm is set late');
    await pause(bed, bed.random.between(1, 5) + Math.round((late ?? 0) * 3000));
    if (bed.spoilt('an alarm cannot be set') !== undefined) throw new PublishError('no answer', true);
    for (const timer of timers) schedules.set(timer);
    await pause(bed, bed.random.between(1, 5));
    if (bed.spoilt('an alarm is set, the answer is lost') !== undefined) throw new PublishError('no answer', true);
  };

  const publisher: Publisher = { publish, setTimers, maxBytes: () => 1_000_000 };
  return { publisher, received, conflicts };
};
