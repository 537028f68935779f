/**
 * Makes a Lambda handler of entities and queries. A function's `handler.ts` is one call of this; everything that it does
 * is in its `decide.ts`.
 *
 *     export const handler = createFunction({ name: 'failure-handler', settings, entities: [failures] });
 */
import middy from '@middy/core';
import type { Context as LambdaContext } from 'aws-lambda';
import * as z from 'zod';
import type { Answer, Batch, ErrorBody, ItemFailure, Reply } from '#shared/contract.ts';
import { type EngineAnswer, runBatch } from '#shared/entity/engine.ts';
import type { AnySpec } from '#shared/entity/entity.ts';
import type { AnyKind } from '#shared/entity/kind.ts';
import { toOwed } from '#shared/entity/outbox.ts';
import { readerOf } from '#shared/entity/reader.ts';
import { type DecodedBatch, decode, type Question } from './decode.ts';
import { observe } from './observe.ts';
import type { AnyQuery } from './query.ts';
import { environmentRuntime, parseSettings, type Runtime } from './runtime.ts';
import { carriedHeaders } from './trace.ts';

export type FunctionSpec<Settings> = {
  /** Its name in serverless.yml. */
  name: string;
  /** Of the environment's variables; what `decide` gets as `context.settings`. */
  settings?: z.ZodType<Settings>;
  entities?: readonly AnySpec[];
  queries?: readonly AnyQuery[];
  /** Kinds that `also` and `shared` of the entities name besides their own. */
  kinds?: readonly AnyKind[];
};

/**
 * Tests and the simulator bring their own `runtime`; a Lambda and the local stack use the environment's. `owns`: the kinds
 * that the function writes.
 */
export const createFunction = <Settings>(spec: FunctionSpec<Settings>, makeRuntime: (name: string) => Runtime = environmentRuntime) => {
  let made: { runtime: Runtime; settings: Settings } | undefined;
  const ready = () => {
    if (!made) {
      const runtime = makeRuntime(spec.name);
      const settings = parseSettings((spec.settings ?? z.object({})) as z.ZodType<Settings>, runtime.environment, spec.name);
      made = { runtime, settings };
    }
    return made;
  };
  const { entities = [], queries = [] } = spec;
  const kinds = [...entities.map((entity) => entity.of), ...(spec.kinds ?? [])];

  const handler = middy<DecodedBatch, Answer, Error, LambdaContext>()
    .use(observe(() => ready().runtime))
    .use(decode({ name: spec.name, entities, queries }))
    .handler(async (batch: DecodedBatch, context: LambdaContext): Promise<Answer> => {
      const { runtime, settings } = ready();
      const decided = await runBatch({ ...runtime, settings, kinds }, batch, batch.decoded.works, context.awsRequestId);
      const answer = toAnswer(decided, batch, (error) => runtime.logger.error('a record could not be decided', { error: error as Error }));
      if (!batch.settle) await ask(spec.name, batch.decoded.questions, runtime, answer);
      return answer;
    }) as unknown as (batch: Batch, context: Pick<LambdaContext, 'awsRequestId'>) => Promise<Answer>;
  return Object.assign(handler, { owns: [...new Set(kinds.map(({ kind }) => kind))] });
};

const toAnswer = (decided: EngineAnswer, batch: Batch, log: (error: unknown) => void): Answer => {
  const answer = {
    batchItemFailures: [] as ItemFailure[],
    publish: decided.carried,
    timers: decided.timers,
    tombstoned: [] as string[],
    replies: [] as Reply[],
  };
  for (const [itemIdentifier, outcome] of decided.outcomes) {
    switch (outcome.result) {
      case 'done':
        for (const owed of outcome.publish) answer.publish.push({ cause: itemIdentifier, ...owed });
        if (outcome.reply && batch.eventSource === 'nats:request') answer.replies.push({ itemIdentifier, ...toReply(outcome.reply) });
        break;
      case 'tombstoned':
        answer.tombstoned.push(itemIdentifier);
        break;
      case 'failed':
        if (outcome.error) log(outcome.error);
        answer.batchItemFailures.push({ itemIdentifier, ...outcome.failure });
        break;
      default:
        throw outcome satisfies never;
    }
  }
  return answer;
};

const toReply = (reply: { body: unknown } | { error: ErrorBody }) =>
  'error' in reply ? { error: reply.error } : { data: JSON.stringify(reply.body) };

const ask = async (name: string, questions: readonly Question[], runtime: Runtime, answer: Answer): Promise<void> => {
  await Promise.all(
    questions.map(async ({ record, query, event }) => {
      try {
        const view = await query.read(event, readerOf(runtime.store));
        const answered = query.answer(view, event, runtime.clock.now());
        const outputs = 'forward' in answered ? answered.forward : 'publish' in answered ? answered.publish : undefined;
        const carry = carriedHeaders(record, name);
        for (const output of outputs ?? []) answer.publish.push({ cause: record.id, ...toOwed(output, carry) });
        if (!('forward' in answered)) answer.replies?.push({ itemIdentifier: record.id, ...toReply(answered) });
      } catch (error) {
        runtime.logger.error('a request could not be answered', { subject: record.subject, error: error as Error });
        const reason = { code: 'query_failed', message: `${record.subject} could not be answered now: try again` };
        answer.batchItemFailures.push({ itemIdentifier: record.id, reason });
      }
    }),
  );
};
