/** alert-manager on a table in memory, with time and alarms: alerts and requests in, notifications out. */
import { expect } from 'vitest';
import { groups } from '#functions/alert-manager/decide.ts';
import { alertsKind, type Group } from '#functions/alert-manager/group.ts';
import { notices, noticesKind } from '#functions/alert-manager/notices.ts';
import { list } from '#functions/alert-manager/queries.ts';
import { settings } from '#functions/alert-manager/settings.ts';
import { silences } from '#functions/alert-manager/silence.ts';
import type { Answer, Batch } from '#shared/contract.ts';
import { readerOf } from '#shared/entity/reader.ts';
import { createFunction } from '#shared/function/create-function.ts';
import type { Notification } from '#shared/messages/alert.ts';
import { memoryStore } from '#test/sim/memory-store.ts';
import { START } from './decide.ts';

type Told = Notification & { at: number };
type Sent = { subject: string; data: string };

export const alertWorld = (environment: Record<string, string> = {}) => {
  let now = START;
  let records = 0;
  const clock = { now: () => now, after: (_: number, fn: () => void) => clearImmediate.bind(undefined, setImmediate(fn)) };
  const store = memoryStore({ clock });
  const silent = () => undefined;
  const logger = { warn: silent, error: silent, appendKeys: silent, resetKeys: silent };
  const metrics = { addMetric: silent, publishStoredMetrics: silent };
  const runtime = { store, clock, random: () => 0, environment, logger, metrics };
  const entities = [groups, notices, silences];
  const handler = createFunction(
    { name: 'alert-manager', settings, entities, kinds: [noticesKind], queries: [list] },
    () => runtime as never,
  );
  const timers = new Map<string, number>();
  const told: Told[] = [];

  const send = async (binding: string, messages: Sent[]): Promise<Answer> => {
    const request = binding === 'control';
    const batch: Batch = {
      eventSource: request ? 'nats:request' : 'nats:jetstream',
      binding: `alert-manager.${binding}`,
      consumer: request ? 'request@1/alert-manager.control.b' : `S@1/alert-manager_${binding}.1`,
      floor: { sequence: 0, asOf: new Date(START).toISOString() },
      deadline: new Date(now + 60_000).toISOString(),
      Records: messages.map(({ subject, data }) => {
        const sequence = ++records;
        const timestamp = new Date(now).toISOString();
        return { id: `S@1:${sequence}:${now}`, subject, data, encoding: 'utf8', headers: {}, sequence, deliveries: 1, timestamp };
      }),
    };
    const answer = await handler(batch, { awsRequestId: `i${records}` });
    expect(answer.batchItemFailures).toEqual([]);
    for (const { key, at } of answer.timers) at === null ? timers.delete(key) : timers.set(key, Date.parse(at));
    const isAlarm = ({ subject }: Sent) => subject.startsWith('timers.due.');
    const notifications = answer.publish.filter((one) => !isAlarm(one)).map(({ data }) => JSON.parse(data) as Notification);
    // No floor passes here, so outputs are owed for ever and answered again: the same message ids, which a stream takes once.
    const unseen = notifications.filter((one) => !told.some(({ notification_id }) => notification_id === one.notification_id));
    told.push(...unseen.map((one) => ({ ...one, at: now })));
    const own = answer.publish.filter(isAlarm);
    if (own.length > 0) await send('alarms', own);
    return answer;
  };

  return {
    /** All notifications so far, with the time at which they went out. */
    told,
    /** What people read, in order. */
    said: () => told.map(({ severity, summary }) => `${severity}: ${summary}`),
    state: async (id: string): Promise<Group | undefined> => (await readerOf(store).load(alertsKind, [id])).get(id),
    alert: (...alerts: Record<string, unknown>[]) =>
      send(
        'alerts',
        alerts.map(({ severity = 'high', ...body }) => ({
          subject: `alerts.${severity}`,
          data: JSON.stringify({ source: 'disks', summary: 'the disk is full', ...body }),
        })),
      ),
    ask: async (verb: string, body: object = {}) => {
      const { replies: [reply] = [] } = await send('control', [{ subject: `control.alerts.${verb}`, data: JSON.stringify(body) }]);
      return reply?.error ?? JSON.parse(reply?.data ?? 'null');
    },
    /** Lets ms pass; alarms that fall due ring in order, those of one time in one batch. */
    pass: async (ms: number): Promise<void> => {
      const until = now + ms;
      for (let rings = 0; ; rings++) {
        if (rings > 10_000) throw new Error(`${[...timers.keys()]} ring again and again`);
        const due = Math.min(...timers.values());
        if (due > until) break;
        now = Math.max(now, due);
        const ringing = [...timers].filter(([, at]) => at === due);
        for (const [key] of ringing) timers.delete(key);
        const data = JSON.stringify({ due: new Date(due).toISOString() });
        await send(
          'alarms',
          ringing.map(([key]) => ({ subject: `timers.due.alert-manager.${key}`, data })),
        );
      }
      now = until;
    },
  };
};
