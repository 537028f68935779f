/** The bridge beside a bare loop and Bento on the same server; with outputs; idle; and its memory under load. README.md says how. */
import type { Bench, Result } from './bench.ts';
import { setupBed } from './bridge-bed.ts';
import { findBento } from './bridge-bento.ts';
import { idle } from './bridge-idle.ts';
import { memory } from './bridge-memory.ts';
import { bare, type Contender, median, product, rateOf } from './bridge-rate.ts';

const ROUNDS = 3;
const PUBLISH_MESSAGES = 300_000;
/** More than any contender takes in a round, by batch size. */
const MESSAGES: Record<number, number> = { 1: 100_000, 10: 300_000, 100: 500_000 };

const throughput = async (batch: number, delay: number): Promise<Result[]> => {
  const bento = await findBento();
  const contenders: Record<string, Contender> = { bare, bridge: product, ...(bento && { bento }) };
  const messages = MESSAGES[batch] ?? 500_000;
  const bed = await setupBed({ messages });
  try {
    const rounds: Record<string, number>[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const rates: Record<string, number> = {};
      for (const [name, contender] of Object.entries(contenders))
        rates[name] = await rateOf(bed, contender, bed.task(`delay-${delay}`, batch), messages);
      rounds.push(rates);
    }
    const names = Object.keys(contenders);
    const ratio = (to: string) => median(rounds.map((rates) => (rates.bridge as number) / (rates[to] as number)));
    return [
      ...names.map((name) => ({ figure: name, value: median(rounds.map((rates) => rates[name] as number)), unit: 'messages/s' })),
      ...names.filter((name) => name !== 'bridge').map((name) => ({ figure: `ratio_${name}`, value: ratio(name), unit: '1' })),
    ];
  } finally {
    await bed.stop();
  }
};

/** One output a record to another stream, each stored before its record is acknowledged. */
const publish = async (): Promise<Result[]> => {
  const bed = await setupBed({ messages: PUBLISH_MESSAGES, durably: true });
  try {
    const rates: number[] = [];
    for (let round = 0; round < ROUNDS; round++) rates.push(await rateOf(bed, product, bed.task('echo', 100), PUBLISH_MESSAGES));
    return [{ figure: 'bridge', value: median(rates), unit: 'messages/s' }];
  } finally {
    await bed.stop();
  }
};

const batches = [1, 10, 100].flatMap((batch) => [0, 20].map((delay) => `batch=${batch},delay=${delay}`));

export const bridge: Bench = {
  cases: [...batches, 'publish', 'idle', 'memory'],
  run: (name, { minutes }) => {
    if (name === 'publish') return publish();
    if (name === 'idle') return idle();
    if (name === 'memory') return memory(minutes);
    const [, batch, delay] = /^batch=(\d+),delay=(\d+)$/.exec(name) ?? [];
    if (!batch || !delay) throw new Error(`there is no case "${name}": name one of ${bridge.cases.join(' ')}`);
    return throughput(Number(batch), Number(delay));
  },
};
