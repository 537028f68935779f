/** A batch of notifications to one kind of target: each is sent, tried again or given up, whatever becomes of the others. */

import { contentId } from '#shared/content-id.ts';
import type { Answer, Batch, BatchRecord, ItemFailure } from '#shared/contract.ts';
import { type Notification, notification } from '#shared/messages/alert.ts';
import { readMessage } from '#shared/messages/read.ts';
import type { Outcome, Told } from './decide.ts';
import { sendToTopic, sendToWebhooks, type World } from './send.ts';
import type { Settings } from './settings.ts';

const MESSAGES = [notification];

/** `say`: to the log, where nothing is set. */
export type Notifier = { settings: Settings; world: World; say: (notification: Notification) => void };

const NOTHING: Outcome = { outcome: 'sent' };

const send = (told: Told, binding: string, { settings, world, say }: Notifier): Promise<Outcome> | Outcome => {
  const { topic, webhooks } = settings;
  if (binding.endsWith('.topic')) return topic ? sendToTopic(told, topic, world) : NOTHING;
  if (webhooks.length === 0 && !topic) say(told.notification);
  return sendToWebhooks(told, settings, world);
};

const failureOf = (itemIdentifier: string, outcome: Outcome): ItemFailure[] => {
  switch (outcome.outcome) {
    case 'sent':
      return [];
    case 'retry': {
      const { why, afterMs } = outcome;
      return [{ itemIdentifier, ...(afterMs !== undefined && { retryAfterMs: afterMs }), reason: { code: 'not_sent', message: why } }];
    }
    case 'refused': {
      const message = `${outcome.why}: it does not take notifications, so correct its URL or rights and replay this`;
      return [{ itemIdentifier, deadLetter: true, reason: { code: 'refused', message } }];
    }
    default:
      throw outcome satisfies never;
  }
};

const notifyOne = async (record: BatchRecord, batch: Batch, notifier: Notifier): Promise<ItemFailure[]> => {
  const read = readMessage(MESSAGES, record);
  if (!read.ok) return [{ itemIdentifier: record.id, deadLetter: true, reason: { code: read.code, message: read.message } }];
  const { body, sentAt } = read.event;
  const told: Told = { id: body.notification_id ?? contentId(record.id), at: sentAt, notification: body };
  return failureOf(record.id, await send(told, batch.binding, notifier));
};

export const notifyAll = async (batch: Batch, notifier: Notifier): Promise<Answer> => {
  const nothing: Answer = { batchItemFailures: [], publish: [], timers: [] };
  // Nobody can take back what may have been sent; it is just not sent again.
  if (batch.settle) return { ...nothing, tombstoned: batch.Records.map(({ id }) => id) };
  const failures = await Promise.all(batch.Records.map((record) => notifyOne(record, batch, notifier)));
  return { ...nothing, batchItemFailures: failures.flat() };
};
