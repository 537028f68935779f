/** Message schedules of the server: one alarm a key, guarded by version, up to 250 ms late (protocol, bridge rule 5). */
import type { Timer } from '#shared/contract.ts';
import { type Bed, later } from './bed.ts';
import { FUNCTION } from './counter.ts';
import type { Stream } from './stream.ts';

export type Schedules = ReturnType<typeof createSchedules>;

export const createSchedules = (bed: Bed, due: Stream, { guarded = true } = {}) => {
  const standing = new Map<string, { at: number; version: number }>();
  const rings = new Map<string, number>();

  const ring = (key: string, at: number) => {
    rings.set(key, (rings.get(key) ?? 0) + 1);
    due.publish(`timers.due.${FUNCTION}.${key}`, JSON.stringify({ due: new Date(at).toISOString() }));
  };

  return {
    set({ key, at, version }: Timer): void {
      const before = standing.get(key);
      if (guarded && before && before.version > version) return;
      if (at === null) {
        standing.delete(key);
        return;
      }
      const alarm = { at: Date.parse(at), version };
      standing.set(key, alarm);
      if (before?.at !== alarm.at) bed.log(() => `the alarm of ${key} is set to ${alarm.at}`);
      later(bed, Math.max(0, alarm.at - bed.time.now()) + bed.random.between(1, 250), () => {
        if (standing.get(key) !== alarm) return;
        standing.delete(key);
        ring(key, alarm.at);
      });
    },
    stray: (key: string) => ring(key, bed.time.now()),
    isEmpty: () => standing.size === 0,
    rings: (key: string) => rings.get(key) ?? 0,
  };
};
