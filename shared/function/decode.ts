/**
 * Middleware: reads every record of the batch into the work or the question that it is. A record that cannot be read is
 * set apart with a sentence, and the rest go on.
 */
import type { MiddlewareObj } from '@middy/core';
import * as z from 'zod';
import type { Answer, Batch, BatchRecord, ItemFailure } from '#shared/contract.ts';
import type { Alarm, AnySpec } from '#shared/entity/entity.ts';
import { keyOf, kindOf } from '#shared/entity/key.ts';
import type { Work } from '#shared/entity/run.ts';
import type { AnyMessage, Received } from '#shared/messages/message.ts';
import { readEnvelope, readMessage } from '#shared/messages/read.ts';
import { isToken } from '#shared/subjects.ts';
import type { AnyQuery } from './query.ts';
import { carriedHeaders } from './trace.ts';

export type Question = { record: BatchRecord; query: AnyQuery; event: Received<AnyMessage> };

export type Decoded = { works: Work[]; questions: Question[]; unreadable: ItemFailure[] };

/** What the middleware leaves for the handler behind it. */
export type DecodedBatch = Batch & { decoded: Decoded };

const unreadable = (record: BatchRecord, code: string, message: string): ItemFailure => ({
  itemIdentifier: record.id,
  deadLetter: true,
  reason: { code, message },
});

const alarmBody = z.object({ due: z.iso.datetime(), swept: z.literal(true).optional() });

const alarmOf = (record: BatchRecord, functionName: string, heardSince: string | undefined): Alarm | undefined => {
  const [kind, id] = record.subject.slice(`timers.due.${functionName}.`.length).split('.');
  const body = alarmBody.safeParse(readEnvelope(record).body);
  if (!kind || !id || !body.success) return undefined;
  return {
    message: 'alarm',
    due: Date.parse(body.data.due),
    key: keyOf(kind, id),
    ...(heardSince !== undefined && { heardSince: Date.parse(heardSince) }),
    ...(body.data.swept && { swept: true }),
  };
};

export const decode = (options: {
  name: string;
  entities: readonly AnySpec[];
  queries: readonly AnyQuery[];
}): MiddlewareObj<DecodedBatch, Answer> => {
  const specByMessage = new Map(options.entities.flatMap((spec) => spec.accepts.map((message) => [message.name, spec] as const)));
  const specByKind = new Map(options.entities.map((spec) => [spec.of.kind, spec]));
  const queryByMessage = new Map(options.queries.map((query) => [query.message.name, query]));
  const messages = [...options.entities.flatMap((spec) => spec.accepts), ...options.queries.map((query) => query.message)];

  const readAlarm = (record: BatchRecord, decoded: Decoded, heardSince?: string): void => {
    const alarm = alarmOf(record, options.name, heardSince);
    const spec = alarm && specByKind.get(kindOf(alarm.key));
    // An alarm is a hint: one that nobody asked for is done. Alarms are retried for ever, so this one would ring for ever.
    if (spec) decoded.works.push({ record, spec, key: alarm.key, event: alarm });
  };

  const readRecord = (record: BatchRecord, decoded: Decoded): void => {
    const read = readMessage(messages, record);
    if (!read.ok) {
      decoded.unreadable.push(unreadable(record, read.code, read.message));
      return;
    }
    const { event } = read;
    const query = queryByMessage.get(event.message);
    if (query) {
      decoded.questions.push({ record, query, event });
      return;
    }
    const spec = specByMessage.get(event.message) as AnySpec;
    const id = spec.id(event);
    if (!isToken(id)) {
      decoded.unreadable.push(unreadable(record, 'bad_id', `${record.subject} is about "${id}": an id has letters, digits, - and _ only`));
      return;
    }
    const carry = carriedHeaders(record, options.name);
    decoded.works.push({ record, spec, key: keyOf(spec.of.kind, id), event, ...(carry && { carry }) });
  };

  return {
    before: ({ event: batch }) => {
      const decoded: Decoded = { works: [], questions: [], unreadable: [] };
      const alarms = batch.binding === `${options.name}.alarms`;
      for (const record of batch.Records) {
        try {
          (alarms ? readAlarm : readRecord)(record, decoded, batch.heardSince);
        } catch (error) {
          decoded.unreadable.push(unreadable(record, 'unreadable', `${record.subject} cannot be read: ${String(error)}`));
        }
      }
      batch.decoded = decoded;
    },
    after: (request) => {
      const { unreadable } = request.event.decoded;
      const answer = request.response;
      if (!answer || unreadable.length === 0) return;
      // What cannot be read can never act: a settle has nothing to bar.
      if (request.event.settle)
        answer.tombstoned = [...(answer.tombstoned ?? []), ...unreadable.map(({ itemIdentifier }) => itemIdentifier)];
      else answer.batchItemFailures.push(...unreadable);
    },
  };
};
