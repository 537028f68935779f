/**
 * Where functions run, as Lambda runs them: a container takes one invocation at a time, and is thrown away when it
 * crashes. What its last invocation asked of the table may land all the same.
 */

import { InvokeError, type Invoker } from '#infra/bridge/ports.ts';
import type { Batch } from '#shared/contract.ts';
import type { Store } from '#shared/entity/store.ts';
import { createFunction } from '#shared/function/create-function.ts';
import type { Runtime } from '#shared/function/runtime.ts';
import { type Bed, later, pause } from './bed.ts';
import { counterSpec, FUNCTION } from './counter.ts';
import { type MemoryTable, memoryStore, type Operation } from './memory-store.ts';

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
};

type Container = { invocation: Invocation | undefined; handle: ReturnType<typeof createFunction> };

export type HostOptions = {
  table: MemoryTable;
  skew: number;
  /** Told after every write that landed. */
  landed(keys: readonly string[]): void;
  wrapStore?: (store: Store, bed: Bed) => Store;
};

const silent = { appendKeys() {}, resetKeys() {}, warn() {}, error() {} };
const uncounted: Runtime['metrics'] = { addMetric: () => uncounted as never, publishStoredMetrics: () => undefined as never };
const never = () => new Promise<never>(() => {});

export const createHost = (bed: Bed, options: HostOptions) => {
  const idle: Container[] = [];
  let invocations = 0;
  let running = 0;

  /** Operations take 1 to 6 ms each way, and fail when a fault says so. A write lands in time for the write margin. */
  const intercept = (container: Container) => async (operation: Operation, phase: 'before' | 'after') => {
    const invocation = container.invocation as Invocation;
    const isWrite = operation.kind === 'write';
    if (phase === 'before') {
      if (invocation.dead) await never();
      const crashes = ++invocation.operations === invocation.diesAt;
      if (crashes) {
        bed.log(() => `invocation ${invocation.number} dies as it asks the table to ${operation.kind}`);
        invocation.dead = true;
        invocation.die();
        if (bed.random() < 0.5) await never();
      }
      const late = isWrite ? bed.spoilt('a write is slow') : undefined;
      await pause(bed, bed.random.between(1, 6) + (operation.kind === 'load' ? invocation.slow : 0) + Math.round((late ?? 0) * 300));
      if (bed.spoilt(isWrite ? 'a write fails' : 'a read fails') !== undefined) throw new Error('the table is busy');
      return;
    }
    if (isWrite) options.landed(operation.keys);
    await pause(bed, bed.random.between(1, 6));
    if (invocation.dead) await never();
    if (isWrite && bed.spoilt('a write lands, its answer is lost') !== undefined) throw new Error('the connection was reset');
  };

  const makeContainer = (): Container => {
    const container: Container = { invocation: undefined, handle: undefined as never };
    const store = memoryStore({ table: options.table, clock: bed.time.clock(), intercept: intercept(container) });
    const retrying: Store = {
      ...store,
      write: async (units) => {
        const results = await store.write(units);
        return bed.spoilt('a write is tried again by the SDK') === undefined ? results : store.write(units);
      },
    };
    const clock = bed.time.clock({ skew: options.skew, alive: () => !container.invocation?.dead });
    const runtime: Runtime = {
      store: options.wrapStore?.(retrying, bed) ?? retrying,
      clock,
      random: bed.random,
      environment: {},
      logger: silent,
      metrics: uncounted,
    };
    const beforeDecide = () => {
      if (bed.spoilt('a decision throws') !== undefined) throw new Error('a decision throws');
    };
    container.handle = createFunction({ name: FUNCTION, entities: [counterSpec(beforeDecide)] }, () => runtime);
    return container;
  };

  /** What the handler answers, unless the invocation dies before. */
  const run = async (batch: Batch): Promise<unknown> => {
    const container = idle.pop() ?? makeContainer();
    const number = ++invocations;
    const invocation: Invocation = { number, dead: false, slow: 0, diesAt: 0, operations: 0, die() {} };
    container.invocation = invocation;
    const crash = bed.spoilt('the function crashes');
    if (crash !== undefined) invocation.diesAt = 1 + Math.floor(crash * 2.5);
    const slow = bed.spoilt('the function is slow');
    if (slow !== undefined) invocation.slow = 200 + Math.round(slow * 2500);
    const what = batch.Records.map(({ sequence }) => sequence).join(' ');
    bed.log(
      () =>
        `invocation ${number}${batch.settle ? ' settles' : ''}: ${batch.binding} ${what}, floor ${batch.floor.sequence}${slow === undefined ? '' : ', slow'}`,
    );
    running++;
    const died = new Promise<never>((_, reject) => {
      invocation.die = () => later(bed, 2, () => reject(new InvokeError('function_error', 'the process ended')));
    });
    try {
      const answer = await Promise.race([container.handle({ ...batch }, { awsRequestId: `invocation-${number}` }), died]);
      bed.log(
        () => `invocation ${number} answers ${JSON.stringify(answer, (key, value) => (key === 'data' ? value.slice(0, 50) : value))}`,
      );
      idle.push(container);
      return answer;
    } finally {
      running--;
    }
  };

  const invoke = async (_name: string, batch: Batch): Promise<unknown> => {
    await pause(bed, bed.random.between(1, 5));
    if (bed.spoilt('the function is throttled') !== undefined) throw new InvokeError('throttled', 'too many at once');
    if (bed.spoilt('the function throws') !== undefined) throw new InvokeError('function_error', 'it threw');
    const answer = await run(batch);
    await pause(bed, bed.random.between(1, 5));
    if (bed.spoilt('the answer is lost') !== undefined) return never();
    return bed.spoilt('the answer is garbage') === undefined ? answer : { ok: true };
  };

  const invoker: Invoker = { invoke };
  return { invoker, isIdle: () => running === 0 };
};
