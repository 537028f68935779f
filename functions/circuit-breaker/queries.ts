/** `control.circuit.list`: the circuits, a page at a time, by name. */
import { type Circuit, circuitKind } from '#shared/circuit/circuit.ts';
import { toWire } from '#shared/circuit/wire.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlCircuitList } from '#shared/messages/control.ts';

const DEFAULT_LIMIT = 100;
/** A circuit is about 300 bytes in the answer, which has to fit a message. */
const MAX_LIMIT = 1000;

export type Page = { circuits: ReadonlyMap<string, Circuit>; next?: string };

const readPage = async (reader: Reader, after: string | undefined, limit: number): Promise<Page> => {
  const services = await reader.lookup(circuitKind, circuitKind.kind, { limit, ...(after !== undefined && { after }) });
  const last = services.at(-1);
  return { circuits: await reader.load(circuitKind, services), ...(services.length === limit && last !== undefined && { next: last }) };
};

export const list = defineQuery({
  message: controlCircuitList,
  read: ({ body: { after, limit = DEFAULT_LIMIT } }, reader) => readPage(reader, after, Math.min(limit, MAX_LIMIT)),
  answer: ({ circuits, next }: Page, { body: { state } }) => ({
    body: {
      circuits: [...circuits]
        .map(([service, circuit]) => toWire(service, circuit))
        .filter((circuit) => state === undefined || circuit.state === state)
        .sort((a, b) => (a.service < b.service ? -1 : 1)),
      ...(next !== undefined && { next }),
    },
  }),
});
