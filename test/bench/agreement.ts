/** Agreement on the whole stack: barriers, elections and leases, with participants played by the bench as plain clients of NATS. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Stack, setupStack } from '#test/support/stack.ts';
import type { Result } from './bench.ts';
import { quantile } from './quantile.ts';

const onStack = async (measure: (stack: Stack) => Promise<Result[]>, environment: Record<string, string> = {}): Promise<Result[]> => {
  const stack = await setupStack(environment);
  try {
    return await measure(stack);
  } finally {
    await stack.stop();
  }
};

const spread = (name: string, values: readonly number[], unit = 'ms'): Result[] => [
  { figure: `${name}p50_${unit}`, value: quantile(values, 0.5), unit },
  { figure: `${name}p99_${unit}`, value: quantile(values, 0.99), unit },
];

const PARTIES = 200;
const PHASES = 200;

/** From the publish of the last arrival to the release. `together`: all come at the same moment; `last`: one comes after all others. */
const barriers = ({ nc }: Stack) => {
  let released: (at: number) => void = () => {};
  nc.subscribe('coordination.sync.released.*', {
    callback: (_, message) => {
      if (message.json<{ status: string }>().status === 'released') released(performance.now());
    },
  });
  const arrive = (barrier: string, phase: string, n: number) =>
    nc.publish(`coordination.sync.barrier.${barrier}`, JSON.stringify({ participant: `bench-${n}`, parties: PARTIES, phase }));
  const waiting = async (barrier_id: string): Promise<number> => {
    const answer = await nc.request('control.barrier.show', JSON.stringify({ barrier_id }), { timeout: 10_000 });
    return answer.json<{ barrier?: { waiting?: number } }>().barrier?.waiting ?? 0;
  };
  return async (barrier: string, phase: string, how: 'together' | 'last'): Promise<number> => {
    const release = new Promise<number>((resolve) => {
      released = resolve;
    });
    for (let n = 1; n < PARTIES; n++) arrive(barrier, phase, n);
    while (how === 'last' && (await waiting(barrier)) < PARTIES - 1) await pause(20);
    const started = performance.now();
    arrive(barrier, phase, 0);
    return (await release) - started;
  };
};

const barrierOf200 = async (stack: Stack): Promise<Result[]> => {
  const pass = barriers(stack);
  const phases = async (name: string, how: 'together' | 'last', barrierOf: (n: number) => string) => {
    const all: number[] = [];
    for (let n = 0; n < PHASES; n++) {
      all.push(await pass(barrierOf(n), `${name}-${n}`, how));
      await pause(20);
    }
    return spread(`${name}_`, all);
  };
  await pass('warm-up', 'one', 'together');
  return [
    ...(await phases('last', 'last', () => 'cyclic')),
    ...(await phases('together', 'together', () => 'cyclic')),
    ...(await phases('new', 'together', (n) => `new-${n}`)),
  ];
};

const LEASE_MS = 3000;
const DOMAINS = 5;
const DEATHS = 4;

type Candidate = { domain: string; id: string; leads: boolean; beatAt: number };

/** Clients of document 002, five times as fast: they ask, wait for 2 s, and ask again 0.4 s later; a leader beats three times in a lease. */
const elections =
  (candidates: number) =>
  async ({ nc }: Stack): Promise<Result[]> => {
    let over = false;
    const leaders = new Map<string, Candidate>();
    const announced = new Map<string, (at: number) => void>();
    const beat = async (self: Candidate): Promise<void> => {
      while (self.leads && !over) {
        self.beatAt = performance.now();
        nc.publish(`election.${self.domain}.heartbeat`, self.id);
        await pause(LEASE_MS / 3);
      }
    };
    const run = async (self: Candidate): Promise<void> => {
      await pause(Math.random() * 2400);
      while (!over) {
        const won = await nc.request(`election.${self.domain}.vote`, self.id, { timeout: 2000 }).catch(() => undefined);
        if (won && !over) {
          Object.assign(self, { leads: true, beatAt: performance.now() });
          leaders.set(self.domain, self);
          await beat(self);
          // It is dead for as long as anybody else is elected, then comes back.
          await pause(2 * LEASE_MS);
        }
        await pause(400);
      }
    };
    nc.subscribe('election.*.leader', {
      callback: (_, message) => {
        const [, domain = ''] = message.subject.split('.');
        if (message.json<{ leader: string | null }>().leader !== null) announced.get(domain)?.(performance.now());
      },
    });
    const kill = async (domain: string): Promise<number[]> => {
      const all: number[] = [];
      while (all.length < DEATHS) {
        const leader = leaders.get(domain);
        if (!leader) {
          await pause(10);
          continue;
        }
        await pause(Math.random() * LEASE_MS);
        const next = new Promise<number>((resolve) => announced.set(domain, resolve));
        leader.leads = false;
        leaders.delete(domain);
        all.push((await next) - leader.beatAt);
      }
      return all;
    };
    const domains = Array.from({ length: DOMAINS }, (_, n) => `bench${n}`);
    const running = domains.flatMap((domain) =>
      Array.from({ length: candidates }, (_, n) => run({ domain, id: `${domain}-${n}`, leads: false, beatAt: 0 })),
    );
    const all = (await Promise.all(domains.map(kill))).flat();
    over = true;
    await Promise.all(running);
    return [
      ...spread('', all),
      { figure: 'p99_leases', value: quantile(all, 0.99) / LEASE_MS, unit: 'leases' },
      { figure: 'deaths', value: all.length, unit: 'leaders' },
    ];
  };

const CONTENDERS = 50;
const LEASE_SECONDS = 10;

/** Each asks, lets go as soon as it has it, and asks again. */
const lease = async ({ nc }: Stack): Promise<Result[]> => {
  const grants = new Map<string, number>();
  const waits: number[] = [];
  const askedAt = new Map<string, number>();
  let turn = 0;
  let over = false;
  const ask = (coordination_type: string, requester: string, more: object) =>
    nc.publish('coordination.resources.request.bench', JSON.stringify({ coordination_type, requester, ...more }));
  const acquire = (requester: string) => {
    askedAt.set(requester, performance.now());
    ask('acquire', requester, { request_id: `q${++turn}` });
  };
  nc.subscribe('coordination.resources.granted.*', {
    callback: (_, message) => {
      const { requester, status, fencing_token } = message.json<{ requester: string; status: string; fencing_token: number }>();
      if (status !== 'granted' || over) return;
      grants.set(requester, (grants.get(requester) ?? 0) + 1);
      waits.push(performance.now() - (askedAt.get(requester) ?? 0));
      ask('release', requester, { fencing_token });
      acquire(requester);
    },
  });
  await nc.flush();
  for (let n = 0; n < CONTENDERS; n++) acquire(`bench-${n}`);
  while (grants.size < CONTENDERS) await pause(10);
  const before = new Map(grants);
  waits.length = 0;
  const started = performance.now();
  await pause(LEASE_SECONDS * 1000);
  const seconds = (performance.now() - started) / 1000;
  over = true;
  const shares = [...grants].map(([agent, count]) => count - (before.get(agent) ?? 0));
  const total = shares.reduce((sum, share) => sum + share, 0);
  return [
    { figure: 'grants_per_s', value: total / seconds, unit: 'grants/s' },
    // Jain's index: 1 where all have had the same.
    { figure: 'fairness', value: total ** 2 / (CONTENDERS * shares.reduce((sum, share) => sum + share ** 2, 0)), unit: 'of 1' },
    ...spread('wait_', waits),
  ];
};

const SHORT_LEASE = { ELECTION_LEASE_MS: String(LEASE_MS), ELECTION_SKEW_MS: '100' };

export const agreementCases: Record<string, () => Promise<Result[]>> = {
  [`barrier=${PARTIES}`]: () => onStack(barrierOf200),
  'election=2': () => onStack(elections(2), SHORT_LEASE),
  'election=20': () => onStack(elections(20), SHORT_LEASE),
  'election=200': () => onStack(elections(200), SHORT_LEASE),
  lease: () => onStack(lease),
};
