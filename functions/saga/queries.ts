/** `control.saga.show` and `list`: a saga with its steps; sagas under way or of a phase, a page at a time. */
import { listQuery, showQuery } from '#shared/function/entity-query.ts';
import { controlSagaList, controlSagaShow } from '#shared/messages/control-coordination.ts';
import { lookupOf, sagaKind, stepToWire, toWire } from './state.ts';

export const show = showQuery({
  message: controlSagaShow,
  kind: sagaKind,
  id: ({ body }) => body.saga_id,
  body: (id, saga) => ({ ...toWire(id, saga), steps: saga.steps.map(stepToWire) }),
  missing: (id) => `no saga ${id} is known: it is forgotten 30 days after its end`,
});

export const list = listQuery({
  message: controlSagaList,
  kind: sagaKind,
  lookup: ({ body: { phase } }) => lookupOf(phase),
  as: 'sagas',
  // Those under way share a lookup.
  item: (id, saga, { body: { phase } }) =>
    (phase === undefined ? lookupOf(saga.phase) === lookupOf(undefined) : saga.phase === phase) ? toWire(id, saga) : undefined,
  // At most 2 KB each.
  most: 400,
});
