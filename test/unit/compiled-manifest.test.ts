/** What osls compiles of a serverless.yml, and how a bridge reads it. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { manifestVariable } from '#infra/aws/manifest-variable.ts';
import { localInvoker } from '#infra/bridge/invoke/local-invoker.ts';
import { parseManifest, readManifest } from '#infra/bridge/manifest/read-manifest.ts';
import { defaultProvider } from '#infra/serverless/lambda-credentials.ts';

afterEach(() => vi.unstubAllEnvs());

const shop = (functions = 1) => {
  const till = (n: number) =>
    `  till-${n}:\n    handler: till.handler\n    name: shop-prod-till-${n}\n    environment: { PIN: 1 }\n    events: [nats: { name: sales, core: [sales.*] }]\n`;
  return parseManifest(
    `service: shop\nprovider: {}\nfunctions:\n${Array.from({ length: functions }, (_, n) => till(n)).join('')}`,
    'shop.yml',
  );
};

describe('a compiled manifest', () => {
  it('has everything but code and environment', async () => {
    const [{ handler, ...till } = { environment: {} }] = shop().functions;
    const { Value } = manifestVariable(shop());
    expect(Value).not.toContain('PIN');
    expect(await readManifest(Value)).toEqual({ service: 'shop', functions: [{ ...till, environment: {} }] });
  });

  it('of another version is refused', async () => {
    await expect(readManifest('{"bridge_manifest":2,"functions":[]}')).rejects.toThrow(
      'the manifest cannot be used: it is a compiled manifest of version 2, this bridge reads 1: deploy it together with its bridge',
    );
  });

  it('cannot be run on a laptop, where the code is needed', async () => {
    const compiled = await readManifest(manifestVariable(shop()).Value);
    await expect(localInvoker(compiled)).rejects.toThrow(
      'functions.till-0: a compiled manifest names no code to run here: read serverless.yml',
    );
  });

  it('that no task definition has room for is refused', () => {
    expect(() => manifestVariable(shop(200))).toThrow(
      /^the bridge's manifest has \d+ bytes, a task definition has room for 48000: split the service in two$/,
    );
  });
});

describe('the credentials in a bundle', () => {
  it('are those of the environment', async () => {
    const [id, secret, token] = ['AKIA', 'secret', 'token'];
    for (const [name, value] of Object.entries({ ACCESS_KEY_ID: id, SECRET_ACCESS_KEY: secret, SESSION_TOKEN: token }))
      vi.stubEnv(`AWS_${name}`, value);
    expect(await defaultProvider()()).toEqual({ accessKeyId: id, secretAccessKey: secret, sessionToken: token });
  });

  it('are missed in a sentence', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    await expect(defaultProvider()()).rejects.toThrow('are not in the environment: a function has them from its role');
  });
});
