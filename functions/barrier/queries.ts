/** `control.barrier.show`: a barrier as it is. `control.barrier.list`: those at which somebody waits, a page at a time. */
import { type Page, readPage } from '#shared/entity/page.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlBarrierList, controlBarrierShow } from '#shared/messages/control-coordination.ts';
import { type Barrier, barrierKind, toWire, WAITING } from './barrier.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 400;

export const show = defineQuery({
  message: controlBarrierShow,
  read: async ({ body: { barrier_id } }, reader) => (await reader.load(barrierKind, [barrier_id])).get(barrier_id),
  answer: (barrier: Barrier | undefined, { body: { barrier_id } }) =>
    barrier
      ? { body: { barrier: toWire(barrier_id, barrier) } }
      : { error: { code: 'not_found', message: `no barrier ${barrier_id} is known: nobody came to it during the last 24 hours` } },
});

/** Of those who came and are missing only how many came: an answer has to fit a message. */
const summary = (id: string, barrier: Barrier) => {
  const { barrier_id, generation, parties, waiting, waiting_since, waits_until } = toWire(id, barrier);
  return { barrier_id, generation, parties, waiting, waiting_since, waits_until };
};

export const list = defineQuery({
  message: controlBarrierList,
  read: ({ body: { after, limit = DEFAULT_LIMIT } }, reader) =>
    readPage(reader, barrierKind, WAITING, { after, limit: Math.min(limit, MAX_LIMIT) }),
  answer: ({ states: barriers, next }: Page<Barrier>) => ({
    body: {
      // The lookup lags behind the state.
      barriers: [...barriers].filter(([, { phase }]) => phase).map(([id, one]) => summary(id, one)),
      ...(next !== undefined && { next }),
    },
  }),
});
