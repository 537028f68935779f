/**
 * Where functions run, as Lambda runs them: a container takes one invocation at a time, and is thrown away when it
 * crashes. What its last invocation asked of the table may land all the same.
 */
import { InvokeError, type Invoker } from '#infra/bridge/ports/ports.ts';
import type { Batch } from '#shared/contract.ts';
import type { Store } from '#shared/entity/store.ts';
import { createFunction } from '#shared/function/create-function.ts';
import type { Runtime } from '#shared/function/runtime.ts';
import { type Bed, later, pause } from './bed.ts';
import { bellSpec, counterSpec, FUNCTION } from './counter.ts';
import { type Intercept, type MemoryTable, memoryStore } from './memory-store.ts';

type Invocation = {
  number: number;
  /** A dead one does nothing more; what it has sent to the table lands or not. */
  dead: boolean;
  /** ms more that every read takes. */
  slow: number;
  /** It dies at its so manyth operation on the table. */
  diesAt: number;
  operations: number;
  die: () => void;
  /** Records that it found to change nothing. */
  noops: Set<string>;
};

type Container = { invocation: Invocation; handle: ReturnType<typeof createFunction> };

export type HostOptions = {
  table: MemoryTable;
  /** ms that its clock is ahead. */
  skew: number;
  /** Told of every write that came to the table, and of the records that its invocation found to change nothing. */
  landed(keys: readonly string[], noops: ReadonlySet<string>): void;
  wrapStore?: (store: Store) => Store;
};

const silent = { appendKeys() {}, resetKeys() {}, warn() {}, error() {} };
const uncounted: Runtime['metrics'] = { addMetric: () => uncounted as never, publishStoredMetrics: () => undefined as never };
const never = () => new Promise<never>(() => {});

export const createHost = (bed: Bed, options: HostOptions) => {
  const idle: Container[] = [];
  let invocations = 0;
  let running = 0;

  const crashesNow = (invocation: Invocation, kind: string): boolean => {
    if (++invocation.operations !== invocation.diesAt) return false;
    bed.log(() => `invocation ${invocation.number} dies as it asks the table to ${kind}`);
    invocation.dead = true;
    invocation.die();
    return true;
  };

  /** Operations take 1 to 6 ms each way, and fail when a fault says so. A write lands in time for the write margin. */
  const intercept =
    (container: Container): Intercept =>
    async ({ kind, keys }, phase) => {
      const { invocation } = container;
      const isWrite = kind === 'write';
      if (phase === 'after') {
        if (isWrite) options.landed(keys, invocation.noops);
        await pause(bed, bed.random.between(1, 6));
        if (invocation.dead) await never();
        if (isWrite && bed.spoilt('a write lands, its answer is lost') !== undefined) throw new Error('the connection was reset');
        return;
      }
      if (invocation.dead || (crashesNow(invocation, kind) && bed.random() < 0.5)) await never();
      const late = isWrite ? Math.round((bed.spoilt('a write is slow') ?? 0) * 300) : 0;
      await pause(bed, bed.random.between(1, 6) + late + (kind === 'load' ? invocation.slow : 0));
      if (bed.spoilt(isWrite ? 'a write fails' : 'a read fails') !== undefined) throw new Error('the table is busy');
    };

  const makeContainer = (): Container => {
    const container = {} as Container;
    const store = memoryStore({ table: options.table, clock: bed.time.clock(), intercept: intercept(container) });
    const retrying: Store = {
      ...store,
      write: async (units) => {
        const results = await store.write(units);
        return bed.spoilt('a write is tried again by the SDK') === undefined ? results : store.write(units);
      },
    };
    const runtime: Runtime = {
      store: options.wrapStore?.(retrying) ?? retrying,
      clock: bed.time.clock({ skew: options.skew, alive: () => !container.invocation.dead }),
      random: bed.random,
      environment: {},
      logger: silent,
      metrics: uncounted,
    };
    const counter = counterSpec({
      beforeDecide() {
        if (bed.spoilt('a decision throws') !== undefined) throw new Error('a decision throws');
      },
      decided(recordId, isNoop) {
        if (isNoop) container.invocation.noops.add(recordId);
        else container.invocation.noops.delete(recordId);
      },
    });
    container.handle = createFunction({ name: FUNCTION, entities: [counter, bellSpec] }, () => runtime);
    return container;
  };

  const begin = (batch: Batch): Invocation => {
    const crash = bed.spoilt('the function crashes');
    const slow = bed.spoilt('the function is slow');
    const number = ++invocations;
    const what = batch.Records.map(({ sequence }) => sequence).join(' ');
    const how = `${batch.settle ? ' settles' : ''}${slow === undefined ? '' : ' slowly'}`;
    bed.log(() => `invocation ${number}${how}: ${batch.binding} ${what}, floor ${batch.floor.sequence}`);
    return {
      number,
      dead: false,
      slow: slow === undefined ? 0 : 200 + Math.round(slow * 2500),
      diesAt: crash === undefined ? 0 : 1 + Math.floor(crash * 2.5),
      operations: 0,
      die() {},
      noops: new Set(),
    };
  };

  /** What the handler answers, unless the invocation dies before. */
  const run = async (batch: Batch): Promise<unknown> => {
    const container = idle.pop() ?? makeContainer();
    const invocation = begin(batch);
    container.invocation = invocation;
    const died = new Promise<never>((_, reject) => {
      invocation.die = () => later(bed, 2, () => reject(new InvokeError('function_error', 'the process ended')));
    });
    running++;
    try {
      const answered = container.handle({ ...batch }, { awsRequestId: `invocation-${invocation.number}` });
      const answer = await Promise.race([answered, died]);
      bed.log(() => `invocation ${invocation.number} answers ${shortly(answer)}`);
      idle.push(container);
      return answer;
    } finally {
      running--;
    }
  };

  const invoke = async (batch: Batch): Promise<unknown> => {
    await pause(bed, bed.random.between(1, 5));
    if (bed.spoilt('the function is throttled') !== undefined) throw new InvokeError('throttled', 'too many at once');
    if (bed.spoilt('the function throws') !== undefined) throw new InvokeError('function_error', 'it threw');
    const answer = await run(batch);
    await pause(bed, bed.random.between(1, 5));
    if (bed.spoilt('the answer is lost') !== undefined) return never();
    return bed.spoilt('the answer is garbage') === undefined ? answer : { ok: true };
  };

  const invoker: Invoker = { invoke: (_name, batch) => invoke(batch) };
  return { invoker, isIdle: () => running === 0 };
};

/** An answer as the trace shows it: only what it has. */
const shortly = (answer: object): string => {
  const full = Object.entries(answer).filter(([, list]) => Array.isArray(list) && list.length > 0);
  return JSON.stringify(Object.fromEntries(full), (key, value) => (key === 'data' ? String(value).slice(0, 50) : value));
};
