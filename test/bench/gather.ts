/** Scatter/gathers on the whole stack, all at once, each completed by its last answer. */
import { type Stack, setupStack } from '#test/support/stack.ts';
import type { Result } from './bench.ts';
import { quantile } from './quantile.ts';
import { countTraffic } from './table-traffic.ts';

const SCATTERS = 1000;
const ANSWERS = 50;
/** A completion that is said twice would be said by then. */
const QUIET_MS = 2000;

type Completion = { request_id: string; status: string; count: number };
type Answer = (id: string, worker: number) => Promise<void>;
type Ask = (stack: Stack, ids: readonly string[], answer: Answer) => Promise<void>;

/** Each message is stored before the next one of its sender: a stream drops what comes faster than it stores. */
const scatter = async (stack: Stack, ids: readonly string[]): Promise<void> => {
  for (const id of ids) await stack.publish(`scatter.${id}.task`, { min_responses: ANSWERS, timeout_ms: 600_000, payload: 'sum' });
};

const workers = Array.from({ length: ANSWERS }, (_, worker) => worker);

/** Workers answer what they hear as they hear it: the answers to a scatter come close together. */
const asHeard: Ask = async (stack, ids, answer) => {
  const answering = workers.map(async (worker) => {
    const scattered = stack.nc.subscribe('scatter.*.task', { max: ids.length });
    for await (const { subject } of scattered) await answer(subject.split('.')[1] as string, worker);
  });
  await stack.nc.flush();
  await Promise.all([scatter(stack, ids), ...answering]);
};

/** No scatter has its second answer before each has its first: as few answers as can be are there to be written together. */
const interleaved: Ask = async (stack, ids, answer) => {
  await scatter(stack, ids);
  for (const worker of workers)
    for (let n = 0; n < ids.length; n += 50) await Promise.all(ids.slice(n, n + 50).map((id) => answer(id, worker)));
};

const measure = async (stack: Stack, ask: Ask): Promise<Result[]> => {
  const { nc } = stack;
  const writes = countTraffic();
  try {
    const answeredAt = new Map<string, number>();
    const waited: number[] = [];
    const completions: Completion[] = [];
    let finished: () => void = () => {};
    const end = new Promise<void>((resolve) => {
      finished = resolve;
    });
    nc.subscribe('gather.*.complete', {
      callback: (_, message) => {
        const completion = message.json<Completion>();
        waited.push(performance.now() - (answeredAt.get(completion.request_id) ?? Number.NaN));
        if (completions.push(completion) === SCATTERS) finished();
      },
    });
    await nc.flush();
    const ids = Array.from({ length: SCATTERS }, (_, n) => `bench-${n}`);
    const started = performance.now();
    await ask(stack, ids, (id, worker) => {
      answeredAt.set(id, performance.now());
      return stack.publish(`gather.${id}.result`, { agent_id: `worker-${worker}`, result: { tokens: worker } });
    });
    await end;
    const seconds = (performance.now() - started) / 1000;
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    const right = completions.filter(({ status, count }) => status === 'complete' && count === ANSWERS);
    return [
      { figure: 'completions_per_s', value: SCATTERS / seconds, unit: '1/s' },
      { figure: 'p50_ms', value: quantile(waited, 0.5), unit: 'ms' },
      { figure: 'p99_ms', value: quantile(waited, 0.99), unit: 'ms' },
      { figure: 'writes_per_scatter', value: writes.now().written / SCATTERS, unit: 'items' },
      { figure: 'completed_with_all', value: new Set(right.map(({ request_id }) => request_id)).size, unit: 'scatters' },
      { figure: 'completed_twice', value: completions.length - SCATTERS, unit: 'scatters' },
    ];
  } finally {
    writes.stop();
  }
};

const onStack = (ask: Ask) => async (): Promise<Result[]> => {
  const stack = await setupStack();
  try {
    return await measure(stack, ask);
  } finally {
    await stack.stop();
  }
};

export const gatherCases: Record<string, () => Promise<Result[]>> = {
  [`scatters=${SCATTERS},answers=${ANSWERS}`]: onStack(asHeard),
  [`scatters=${SCATTERS},answers=${ANSWERS},interleaved`]: onStack(interleaved),
};
