/** `control.saga.show` and `list`: a saga with its steps; sagas under way or of a phase, a page at a time. */
import { type Page, readPage } from '#shared/entity/page.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlSagaList, controlSagaShow } from '#shared/messages/control-coordination.ts';
import { lookupOf, type Saga, sagaKind, stepToWire, toWire } from './state.ts';

const DEFAULT_LIMIT = 100;
/** A saga is at most 2 KB in a list, which has to fit a message. */
const MAX_LIMIT = 400;

export const show = defineQuery({
  message: controlSagaShow,
  read: async ({ body: { saga_id } }, reader) => (await reader.load(sagaKind, [saga_id])).get(saga_id),
  answer: (saga: Saga | undefined, { body: { saga_id } }) =>
    saga
      ? { body: { ...toWire(saga_id, saga), steps: saga.steps.map(stepToWire) } }
      : { error: { code: 'not_found', message: `no saga ${saga_id} is known: it is forgotten 30 days after its end` } },
});

export const list = defineQuery({
  message: controlSagaList,
  read: ({ body: { phase, after, limit = DEFAULT_LIMIT } }, reader) =>
    readPage(reader, sagaKind, lookupOf(phase), { after, limit: Math.min(limit, MAX_LIMIT) }),
  answer: ({ states: sagas, next }: Page<Saga>, { body: { phase } }) => ({
    body: {
      // The lookup lags behind the state, and those under way share one.
      sagas: [...sagas]
        .filter(([, one]) => (phase === undefined ? lookupOf(one.phase) === lookupOf(undefined) : one.phase === phase))
        .map(([id, one]) => toWire(id, one)),
      ...(next !== undefined && { next }),
    },
  }),
});
