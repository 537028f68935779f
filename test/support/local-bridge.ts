/** A bridge that runs the functions in its own process, as `npm start` does, without the rest of that. */
import { startBridge } from '#infra/bridge/bridge.ts';
import { serveHttp } from '#infra/bridge/http.ts';
import { localInvoker } from '#infra/bridge/invoke/local-invoker.ts';
import { readManifest } from '#infra/bridge/manifest/read-manifest.ts';
import { connectTo } from '#infra/nats/connect.ts';

const { NATS_URL = '', MANIFEST = '', HTTP_PORT } = process.env;
const manifest = await readManifest(MANIFEST);
const connection = await connectTo({ url: NATS_URL, name: 'local bridge' });
const bridge = await startBridge({ manifest, connection, invoker: await localInvoker(manifest), log: console.info });
await serveHttp({ port: Number(HTTP_PORT), ready: bridge.ready, metrics: bridge.metrics });
