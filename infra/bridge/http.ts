/** The bridge's HTTP: alive, ready, metrics. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type HttpOptions = {
  /** 0: any free one. */
  port: number;
  /** The address it listens at; this machine only where absent. */
  host?: string;
  /** Healthy as long as it answers where absent. */
  healthy?(): { ok: boolean; why?: string };
  ready(): { ok: boolean; why?: string };
  /** Prometheus text. */
  metrics(): Promise<string>;
};

type Answer = { status: number; type?: string; text: string };

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Resolves when it listens. Rejects with an error of one sentence where it cannot. */
export const serveHttp = async ({
  port,
  host = '127.0.0.1',
  healthy = () => ({ ok: true }),
  ready,
  metrics,
}: HttpOptions): Promise<{ port: number; close(): Promise<void> }> => {
  const answer = async (path: string): Promise<Answer> => {
    switch (path) {
      case '/healthz': {
        const { ok, why } = healthy();
        return ok ? { status: 200, text: 'ok\n' } : { status: 503, text: `${why}\n` };
      }
      case '/readyz': {
        const { ok, why } = ready();
        return ok ? { status: 200, text: 'ready\n' } : { status: 503, text: `not ready: ${why}\n` };
      }
      case '/metrics':
        return { status: 200, type: METRICS_TYPE, text: await metrics() };
      default:
        return { status: 404, text: 'there are /healthz, /readyz and /metrics\n' };
    }
  };
  const server = createServer(async (request, response) => {
    const [path = '/'] = (request.url ?? '').split('?');
    const { status, type, text } = await answer(path).catch((error: Error): Answer => ({ status: 500, text: `${error.message}\n` }));
    response.writeHead(status, { 'content-type': type ?? 'text/plain; charset=utf-8' }).end(text);
  });
  server.listen(port, host);
  await once(server, 'listening').catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === 'EADDRINUSE' ? 'is taken' : `cannot be used (${cause.code})`;
    throw new Error(`port ${port} of ${host} ${reason}: stop what listens there, or set HTTP_PORT (0: any free one)`, { cause });
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
};
