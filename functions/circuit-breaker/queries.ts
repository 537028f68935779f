/** `control.circuit.list`: the circuits, a page at a time, by name. */
import { type Circuit, circuitKind } from '#shared/circuit/circuit.ts';
import { toWire } from '#shared/circuit/wire.ts';
import { type Page, readPage } from '#shared/entity/page.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlCircuitList } from '#shared/messages/control.ts';

const DEFAULT_LIMIT = 100;
/** A circuit is about 300 bytes in the answer, which has to fit a message. */
const MAX_LIMIT = 1000;

export const list = defineQuery({
  message: controlCircuitList,
  read: ({ body: { after, limit = DEFAULT_LIMIT } }, reader) =>
    readPage(reader, circuitKind, circuitKind.kind, { after, limit: Math.min(limit, MAX_LIMIT) }),
  answer: ({ states: circuits, next }: Page<Circuit>, { body: { state } }) => ({
    body: {
      circuits: [...circuits]
        .map(([service, circuit]) => toWire(service, circuit))
        .filter((circuit) => state === undefined || circuit.state === state)
        .sort((a, b) => (a.service < b.service ? -1 : 1)),
      ...(next !== undefined && { next }),
    },
  }),
});
