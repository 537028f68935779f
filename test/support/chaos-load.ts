/** Numbers published to the functions of `tally.ts`, and what must have come of them, whatever died meanwhile. */
import { setTimeout as pause } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { expect, vi } from 'vitest';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { ChaosWorld } from './chaos-world.ts';
import { FUNCTIONS, type FunctionName, type Page, type Said } from './tally.ts';

export type Load = {
  /** How many messages the stream has. */
  published(): number;
  /** Publishes no more. Resolves with the count of each key, which has the numbers from 0 on. */
  stop(): Promise<Map<EntityKey, number>>;
};

const KEYS = 20;

/** Per function and key one after the other, as fast as the stream acknowledges, with `pauseMs` in between. */
export const startLoad = ({ client }: ChaosWorld, pauseMs = 50, names: readonly FunctionName[] = FUNCTIONS): Load => {
  const counts = new Map<EntityKey, number>();
  let running = true;
  const publishOn = async (name: FunctionName, key: string) => {
    for (let n = 0; running; n++) {
      await client.publish(`added.${name}.${key}`, { n }, `${name}-${key}-${n}`);
      counts.set(keyOf(name, key), n + 1);
      await pause(pauseMs);
    }
  };
  const publishing = names.flatMap((name) => Array.from({ length: KEYS }, (_, k) => publishOn(name, `k${k}`)));
  return {
    published: () => [...counts.values()].reduce((sum, count) => sum + count, 0),
    async stop() {
      running = false;
      await Promise.all(publishing);
      return counts;
    },
  };
};

/** What can be wrong. Effects and outputs are told as `<function>#<key>: <numbers>`. */
export type Flaws = { lost: string[]; doubled: string[]; disordered: string[]; deadLetters: number; inFlight: string[] };
export const FLAWLESS: Flaws = { lost: [], doubled: [], disordered: [], deadLetters: 0, inFlight: [] };

export type Verdict = {
  flaws: Flaws;
  /** Outputs as they are on the stream, and those that a subscriber that honours message ids would leave out. */
  outputs: number;
  repeated: number;
};

const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** What a list of numbers lacks of 0 to `count`, and what it has twice. */
const compare = (name: string, numbers: readonly number[], count: number, flaws: Flaws): void => {
  const seen = new Set(numbers);
  const lost = range(count).filter((n) => !seen.has(n));
  if (lost.length > 0) flaws.lost.push(`${name}: ${lost}`);
  const doubled = numbers.filter((n, at) => numbers.indexOf(n) !== at);
  if (doubled.length > 0) flaws.doubled.push(`${name}: ${doubled}`);
};

const isOrdered = (numbers: readonly number[]): boolean => numbers.every((n, at) => at === 0 || n > (numbers[at - 1] as number));

const judgeTable = async ({ table }: ChaosWorld, counts: ReadonlyMap<EntityKey, number>, flaws: Flaws): Promise<void> => {
  const items = await table.store.load([...counts.keys()]);
  for (const [key, count] of counts) {
    const { numbers, rung } = (items.get(key)?.state ?? { numbers: [], rung: 0 }) as Page;
    compare(key, numbers, count, flaws);
    if (rung !== 1) flaws[rung === 0 ? 'lost' : 'doubled'].push(`${key}: rung ${rung} times`);
    if (key.startsWith('ledger') && !isOrdered(numbers)) flaws.disordered.push(key);
  }
};

const readOutputs = async ({ client }: ChaosWorld) => {
  const consumer = await jetstream(client.nc).consumers.get('SUMS');
  const said = new Map<string, { key: string; said: Said }>();
  const { num_pending } = await consumer.info();
  let left = num_pending;
  while (left > 0)
    for await (const message of await consumer.fetch({ max_messages: left, expires: 10_000 })) {
      left--;
      const [, name, key] = message.subject.split('.');
      said.set(message.headers?.get('Nats-Msg-Id') ?? '', { key: `${name}#${key}`, said: message.json<Said>() });
    }
  return { said: [...said.values()], repeated: num_pending - said.size, outputs: num_pending };
};

const judgeOutputs = async (world: ChaosWorld, counts: ReadonlyMap<EntityKey, number>, flaws: Flaws): Promise<Omit<Verdict, 'flaws'>> => {
  const { said, ...numbers } = await readOutputs(world);
  const byKey = Map.groupBy(said, ({ key }) => key);
  for (const [key, count] of counts) {
    const all = (byKey.get(key) ?? []).map((one) => one.said);
    compare(
      `${key} said`,
      all.flatMap((one) => ('n' in one ? one.n : [])),
      count,
      flaws,
    );
    compare(
      `${key} said that it rang`,
      all.flatMap((one) => ('rung' in one ? one.rung - 1 : [])),
      1,
      flaws,
    );
  }
  return numbers;
};

/** Consumers that have messages which nobody settled or that nobody can ask, and alarms that are set. */
const stillInFlight = async ({ manager }: ChaosWorld): Promise<string[]> => {
  const waiting: string[] = [];
  for (const stream of ['ADDED', 'TIMERS']) {
    // In a cluster the list leaves out a consumer that has no leader.
    let unheard = (await manager.streams.info(stream)).state.consumer_count;
    for await (const { name, num_ack_pending, num_pending } of manager.consumers.list(stream)) {
      unheard--;
      if (num_ack_pending + num_pending > 0) waiting.push(`${name}: ${num_ack_pending} unsettled, ${num_pending} to come`);
    }
    if (unheard > 0) waiting.push(`${stream}: ${unheard} consumers that do not answer`);
  }
  // What is due, the consumers count.
  const { state } = await manager.streams.info('TIMERS', { subjects_filter: 'timers.set.>' });
  waiting.push(...Object.keys(state.subjects ?? {}));
  return waiting;
};

const look = async (world: ChaosWorld, counts: ReadonlyMap<EntityKey, number>): Promise<Verdict> => {
  const flaws: Flaws = { lost: [], doubled: [], disordered: [], deadLetters: 0, inFlight: await stillInFlight(world) };
  await judgeTable(world, counts, flaws);
  const outputs = await judgeOutputs(world, counts, flaws);
  flaws.deadLetters = (await world.manager.streams.info('DEAD_LETTERS')).state.messages;
  return { flaws, ...outputs };
};

/**
 * Waits until nothing is in flight, then looks at everything. What is missing then is waited for, too: a server that was frozen
 * may answer for what it led before. `counts` is what `stop` of the load answered.
 */
export const judge = async (world: ChaosWorld, counts: ReadonlyMap<EntityKey, number>, timeout = 60_000): Promise<Verdict> => {
  const whole = async (): Promise<Verdict> => {
    expect(await stillInFlight(world)).toEqual([]);
    const verdict = await look(world, counts);
    expect([verdict.flaws.lost, verdict.flaws.inFlight]).toEqual([[], []]);
    return verdict;
  };
  return (await vi.waitFor(whole, { timeout, interval: 250 }).catch(() => undefined)) ?? look(world, counts);
};
