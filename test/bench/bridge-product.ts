/** The bridge of the bridge bench: as in production, in a process of its own, with one function and one binding. */
import { connect } from '@nats-io/transport-node';
import { startBridge } from '#infra/bridge/bridge.ts';
import { lambdaInvoker } from '#infra/bridge/invoke/lambda-invoker.ts';
import type { Manifest } from '#infra/bridge/manifest/manifest.ts';
import { WRITE_MARGIN_MS } from '#shared/table/client.ts';
import { childSettings, serveParent } from './bridge-child.ts';
import { LANES, STREAM, SUBJECT, type Task } from './bridge-contender.ts';

const { nats, endpoint, target, batch, name } = childSettings<Task>();

const manifest: Manifest = {
  functions: [
    {
      name,
      handler: { module: '', export: '' },
      target,
      timeout: 20_000,
      concurrency: LANES,
      environment: {},
      publishes: ['bench.out'],
      own: false,
      bindings: [
        {
          name: `${name}.in`,
          function: name,
          source: { kind: 'jetstream', stream: STREAM, subjects: [SUBJECT] },
          batchSize: batch,
          batchWindow: 0,
          groupBy: undefined,
          retry: { attempts: 5, backoff: [1000], maxAge: 3_600_000 },
        },
      ],
    },
  ],
};
const invoker = lambdaInvoker({ manifest, writeMargin: WRITE_MARGIN_MS, environment: { AWS_ENDPOINT_URL_LAMBDA: endpoint } });
const connection = await connect({ servers: nats });
await startBridge({ manifest, connection, invoker, log: console.error, watched: [] });
serveParent(name);
