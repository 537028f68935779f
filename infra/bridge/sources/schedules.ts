/**
 * Wakes functions at a fixed rate: a `schedule` event publishes a due alarm of the entity `<event name>#main`, and the
 * function's alarms take it from there. The bridge counts the time itself: a schedule that lies in a stream would be lost
 * with the stream, and the sweep is there for just that. Bridges beside each other publish the same message id.
 */
import type { Clock } from '#shared/clock.ts';
import { buildSubject, internalSubjects } from '#shared/subjects.ts';
import type { FunctionEntry } from '../manifest/manifest.ts';
import type { Publisher } from '../ports/ports.ts';

const AGAIN_MS = 5000;

export type ScheduleOptions = {
  functions: readonly Pick<FunctionEntry, 'name' | 'schedules'>[];
  publisher: Pick<Publisher, 'publish'>;
  clock: Clock;
  log: (sentence: string) => void;
};

/** Each begins at once, then keeps to whole multiples of its interval, until the returned function is called. */
export const startSchedules = ({ functions, publisher, clock, log }: ScheduleOptions): (() => void) => {
  const cancels = functions.flatMap((fn) =>
    (fn.schedules ?? []).map(({ name, every }) => {
      let cancel = (): void => {};
      const ring = (): void => {
        const now = clock.now();
        const turn = Math.floor(now / every);
        const subject = buildSubject(internalSubjects.timerDue, { function: fn.name, key: `${name}.main.${turn}` });
        cancel = clock.after((turn + 1) * every - now, ring);
        const data = JSON.stringify({ due: new Date(now).toISOString() });
        publisher.publish([{ subject, data, messageId: `schedule:${subject}` }]).catch((error: Error) => {
          log(`${fn.name}.${name} is not woken yet, which is tried again: ${error.message}`);
          if (stopped) return;
          cancel();
          cancel = clock.after(Math.min(AGAIN_MS, (turn + 1) * every - clock.now()), ring);
        });
      };
      let stopped = false;
      ring();
      return () => {
        stopped = true;
        cancel();
      };
    }),
  );
  return () => {
    for (const cancel of cancels) cancel();
  };
};
