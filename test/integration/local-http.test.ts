import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serveHttp } from '#infra/bridge/http.ts';

describe('the HTTP of the bridge', () => {
  let state: { ok: boolean; why?: string };
  let server: Awaited<ReturnType<typeof serveHttp>>;

  beforeEach(async () => {
    state = { ok: true };
    server = await serveHttp({ port: 0, ready: () => state, metrics: async () => 'up 1\n' });
  });
  afterEach(() => server.close());

  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
    return [response.status, await response.text()];
  };

  it('is alive, and ready as long as the bridge is', async () => {
    expect(await get('/healthz')).toEqual([200, 'ok\n']);
    expect(await get('/readyz?now')).toEqual([200, 'ready\n']);
    state = { ok: false, why: 'the connection to NATS is closed' };
    expect(await get('/readyz')).toEqual([503, 'not ready: the connection to NATS is closed\n']);
  });

  it('serves metrics, and says what else there is', async () => {
    expect(await get('/metrics')).toEqual([200, 'up 1\n']);
    expect(await get('//')).toEqual([404, 'there are /healthz, /readyz and /metrics\n']);
  });

  it('says in a sentence that its port is taken', async () => {
    const second = serveHttp({ port: server.port, ready: () => state, metrics: async () => '' });
    await expect(second).rejects.toThrow(
      `port ${server.port} of 127.0.0.1 is taken: stop what listens there, or set HTTP_PORT (0: any free one)`,
    );
  });
});
