/** `control.barrier.show`: a barrier as it is. `control.barrier.list`: those at which somebody waits, a page at a time. */
import { listQuery, showQuery } from '#shared/function/entity-query.ts';
import { controlBarrierList, controlBarrierShow } from '#shared/messages/control-coordination.ts';
import { type Barrier, barrierKind, toWire, WAITING } from './barrier.ts';

export const show = showQuery({
  message: controlBarrierShow,
  kind: barrierKind,
  id: ({ body }) => body.barrier_id,
  body: (id, barrier) => ({ barrier: toWire(id, barrier) }),
  missing: (id) => `no barrier ${id} is known: nobody came to it during the last 24 hours`,
});

/** Of those who came and are missing only how many came: an answer has to fit a message. */
const summary = (id: string, barrier: Barrier) => {
  const { barrier_id, generation, parties, waiting, waiting_since, waits_until } = toWire(id, barrier);
  return { barrier_id, generation, parties, waiting, waiting_since, waits_until };
};

export const list = listQuery({
  message: controlBarrierList,
  kind: barrierKind,
  lookup: () => WAITING,
  as: 'barriers',
  item: (id, barrier) => (barrier.phase ? summary(id, barrier) : undefined),
  most: 400,
});
