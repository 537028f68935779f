/** The function `supervisor` on a table in memory: messages in, refusals and the whole tree out. */
import { supervisors } from '#functions/supervisor/decide.ts';
import { show } from '#functions/supervisor/queries.ts';
import type { Batch } from '#shared/contract.ts';
import { keyOf } from '#shared/entity/key.ts';
import type { AnyKind } from '#shared/entity/kind.ts';
import { readerOf } from '#shared/entity/reader.ts';
import { createFunction } from '#shared/function/create-function.ts';
import { type Supervisor, supervisorKind } from '#shared/supervision/supervisor.ts';
import { EMPTY_TREE, placeKind, readPlaces, TREE, treeKind } from '#shared/supervision/tree.ts';
import { memoryStore } from '#test/sim/memory-store.ts';
import { START } from './decide.ts';

type Refusal = { code: string; message: string };

export const treeWorld = () => {
  let now = START;
  let records = 0;
  let writes = 0;
  const clock = { now: () => now, after: (_: number, fn: () => void) => clearImmediate.bind(undefined, setImmediate(fn)) };
  const memory = memoryStore({ clock });
  const store: typeof memory = {
    ...memory,
    write: (units) => {
      writes += units.length;
      return memory.write(units);
    },
  };
  const reader = readerOf(store);
  const nothing = () => undefined;
  const handler = createFunction(
    { name: 'supervisor', entities: [supervisors], kinds: [placeKind, treeKind], queries: [show] },
    () =>
      ({
        store,
        clock,
        random: () => 0,
        environment: {},
        logger: { warn: nothing, error: nothing, appendKeys: nothing, resetKeys: nothing },
        metrics: { addMetric: nothing, publishStoredMetrics: nothing },
      }) as never,
  );

  const send = (messages: readonly (readonly [subject: string, body: object])[]) => {
    const asks = messages.some(([subject]) => subject.startsWith('control.'));
    const batch: Batch = {
      eventSource: asks ? 'nats:request' : 'nats:jetstream',
      binding: 'supervisor.events',
      consumer: asks ? 'request@1/supervisor.control.b' : 'S@1/supervisor_events.1',
      floor: { sequence: 0, asOf: new Date(START).toISOString() },
      deadline: new Date(now + 60_000).toISOString(),
      Records: messages.map(([subject, body]) => {
        const sequence = ++records;
        const timestamp = new Date(now).toISOString();
        return {
          id: `S@1:${sequence}:${now}`,
          subject,
          data: JSON.stringify(body),
          encoding: 'utf8',
          headers: {},
          sequence,
          deliveries: 1,
          timestamp,
        };
      }),
    };
    return handler(batch, { awsRequestId: `i${records}` });
  };

  return {
    pass: (ms: number) => {
      now += ms;
    },
    writes: () => writes,
    /** Of every message of a batch why it was refused; undefined: it was not. */
    tell: async (...messages: (readonly [subject: string, body: object])[]): Promise<(Refusal | undefined)[]> => {
      const first = records;
      const { batchItemFailures } = await send(messages);
      return messages.map((_, n) => batchItemFailures.find(({ itemIdentifier }) => itemIdentifier.includes(`:${first + n + 1}:`))?.reason);
    },
    ask: async (verb: string, body: object = {}): Promise<{ error: Refusal } | { supervisor: Record<string, unknown> }> => {
      const { replies, batchItemFailures } = await send([[`control.supervisor.${verb}`, body]]);
      const error = replies?.[0]?.error ?? batchItemFailures[0]?.reason;
      return error ? { error } : JSON.parse(replies?.[0]?.data ?? 'null');
    },
    put: async (kind: AnyKind, id: string, state: unknown) => {
      await store.write([[{ key: keyOf(kind.kind, id), version: 1, schema: kind.version, state, applied: {}, outbox: {}, nonce: '' }]]);
    },
    supervisor: async (id: string): Promise<Supervisor | undefined> => (await reader.load(supervisorKind, [id])).get(id),
    tree: async () => (await reader.load(treeKind, [TREE])).get(TREE) ?? EMPTY_TREE,
    places: (agentIds: readonly string[]) => readPlaces(reader, agentIds),
  };
};
