/** Health events of many agents through bridge, function, engine and table, beside a bare loop on the same servers. */
import { jetstreamManager } from '@nats-io/jetstream';
import * as z from 'zod';
import { startBridge } from '#infra/bridge/bridge.ts';
import { handlerInvoker, type LocalHandler } from '#infra/bridge/invoke/local-invoker.ts';
import type { Manifest } from '#infra/bridge/manifest/manifest.ts';
import { defineEntity, done } from '#shared/entity/entity.ts';
import type { Store } from '#shared/entity/store.ts';
import { createFunction } from '#shared/function/create-function.ts';
import { environmentRuntime } from '#shared/function/runtime.ts';
import { health } from '#shared/messages/supervision.ts';
import { setupNats } from '#test/support/nats.ts';
import { setupTable } from '#test/support/table.ts';
import { bareLoop } from './bare-loop.ts';
import type { Bench } from './bench.ts';

const EVENTS = 60_000;
const ROUNDS = 3;
const STREAM = 'SUPERVISION_EVENTS';

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;

/** Keeps the last metrics and a count of an agent: what the bare loop keeps. */
const healthFunction = (name: string, store: Store): LocalHandler => {
  const agents = defineEntity({
    of: { kind: name, schema: z.object({ count: z.number(), last: z.unknown() }), version: 1 },
    accepts: [health],
    id: (event) => event.params.agent_id,
    decide: (state, event) =>
      event.message === 'alarm' ? done() : done({ state: { count: (state?.count ?? 0) + 1, last: event.body.metrics } }),
  });
  return createFunction({ name, entities: [agents] }, (fn) => ({ ...environmentRuntime(fn), store })) as LocalHandler;
};

const manifestOf = (name: string): Manifest => ({
  functions: [
    {
      name,
      handler: { module: '', export: '' },
      timeout: 6000,
      concurrency: 4,
      environment: {},
      publishes: [],
      own: false,
      schedules: [],
      bindings: [
        {
          name: `${name}.health`,
          function: name,
          source: { kind: 'jetstream', stream: STREAM, subjects: ['supervision.health.*'] },
          batchSize: 2500,
          batchWindow: 0,
          groupBy: { tokens: [3] },
          retry: { attempts: 5, backoff: [1000], maxAge: 3_600_000 },
        },
      ],
    },
  ],
});

export const stack: Bench = {
  cases: ['agents=20', 'agents=200', 'agents=2000'],
  run: async (name) => {
    const agents = Number(name.split('=')[1]);
    process.env.POWERTOOLS_METRICS_DISABLED = 'true';
    const nats = await setupNats({ streams: true });
    const table = await setupTable();
    try {
      const nc = nats.connection;
      const metrics = { cpu_usage: 0.5, memory_usage: 0.4, response_time_ms: 12, error_rate: 0, throughput: 33 };
      for (let i = 0; i < EVENTS; i++) {
        const agent_id = `a${i % agents}`;
        const body = { type: 'health', agent_id, status: { state: 'healthy' }, metrics, timestamp: new Date().toISOString() };
        nc.publish(`supervision.health.${agent_id}`, JSON.stringify(body));
        if (i % 1000 === 0) await nc.flush();
      }
      const manager = await jetstreamManager(nc);
      while ((await manager.streams.info(STREAM)).state.messages < EVENTS) await new Promise((resolve) => setTimeout(resolve, 20));

      const product = async (round: number): Promise<{ ms: number; writes: number }> => {
        const fn = `bench-${round}`;
        let writes = 0;
        let started = 0;
        const store: Store = {
          ...table.store,
          write: (units) => {
            writes += units.flat().length;
            return table.store.write(units);
          },
        };
        const handler = healthFunction(fn, store);
        const timed: LocalHandler = (batch, context) => {
          started ||= performance.now();
          return handler(batch, context);
        };
        const invoker = handlerInvoker(new Map([[fn, timed]]));
        const bridge = await startBridge({ manifest: manifestOf(fn), connection: nc, invoker, log: console.error, watched: [STREAM] });
        const settled = async () => {
          const { num_pending, num_ack_pending } = await manager.consumers.info(STREAM, `${fn}_health`);
          return num_pending === 0 && num_ack_pending === 0;
        };
        while (!started || !(await settled())) await new Promise((resolve) => setTimeout(resolve, 5));
        const ms = performance.now() - started;
        await bridge.drain(5000);
        await manager.consumers.delete(STREAM, `${fn}_health`);
        // Every round pays for the watch of unrouted messages, as a stream that is new does.
        await manager.consumers.delete(STREAM, 'unrouted').catch(() => {});
        return { ms, writes };
      };
      const bare = (round: number) =>
        bareLoop({
          nc,
          client: table.client,
          tableName: table.tableName,
          stream: STREAM,
          filter: 'supervision.health.*',
          run: String(round),
          total: EVENTS,
        });

      await bare(0);
      await product(0);
      const rounds = [];
      for (let round = 1; round <= ROUNDS; round++) rounds.push({ bare: await bare(round), product: await product(round) });
      const rate = (ms: number) => EVENTS / (ms / 1000);
      return [
        { figure: 'events_per_s', value: median(rounds.map(({ product }) => rate(product.ms))), unit: 'events/s' },
        { figure: 'bare_events_per_s', value: median(rounds.map(({ bare }) => rate(bare.ms))), unit: 'events/s' },
        { figure: 'ratio_bare', value: median(rounds.map(({ bare, product }) => bare.ms / product.ms)), unit: '1' },
        { figure: 'writes_per_1000', value: median(rounds.map(({ product }) => (product.writes / EVENTS) * 1000)), unit: 'items' },
        { figure: 'bare_writes_per_1000', value: median(rounds.map(({ bare }) => (bare.writes / EVENTS) * 1000)), unit: 'items' },
      ];
    } finally {
      await nats.stop();
      await table.stop();
    }
  },
};
