/** Configuration is checked whole before the first connection, and all mistakes are listed at once. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { bridgeVariables, HELP, readBridgeSettings } from '#infra/bridge/bridge-settings.ts';

let folder: string;
const seed = Buffer.from(nkeys.createUser().getSeed()).toString();
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mistersmith-settings-'));
  await writeFile(at('shop.yml'), shop('service: shop'));
  await writeFile(at('nameless.yml'), shop(''));
  await writeFile(at('bridge.nk'), seed);
  await writeFile(at('empty'), '');
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rm(folder, { recursive: true, force: true }));

const shop = (service: string) => `${service}
provider: { name: aws }
functions:
  till:
    handler: till.handler
    events: [nats: { name: sales, core: [sales.*] }]
`;
const good = () => ({ NATS_URL: 'nats://a:4222', AWS_REGION: 'eu-west-1', MANIFEST: at('shop.yml') });
const read = (environment: Record<string, string> = {}) => readBridgeSettings({ ...good(), ...environment });
const mistakes = (environment: Record<string, string>) =>
  read(environment).then(
    () => 'none',
    (error: Error) => error.message,
  );

describe('the settings of the bridge', () => {
  it('have defaults, also for what is set to nothing', async () => {
    const { settings, prefix } = await read({ STAGE: '', HTTP_PORT: '' });
    expect(settings).toEqual({
      NATS_URL: 'nats://a:4222',
      NATS_INBOX: '_INBOX',
      MANIFEST: at('shop.yml'),
      STAGE: 'dev',
      HTTP_HOST: '127.0.0.1',
      HTTP_PORT: 8080,
      DRAIN_SECONDS: 25,
      LOG_LEVEL: 'info',
      LOG_FORMAT: 'text',
      METRICS_EMF: 'off',
    });
    expect(prefix).toBe('shop-dev-');
  });

  it('are all in --help', () => {
    for (const name of [...Object.keys(bridgeVariables.shape), 'AWS_REGION']) expect(HELP).toContain(name);
  });

  it('are wrong all at once, the manifest too, each with its value and what to do', async () => {
    const wrong = { NATS_URL: 'http://a', HTTP_PORT: '65536', DRAIN_SECONDS: '901', LOG_FORMAT: 'xml', METRICS_EMF: 'yes', STAGE: 'a b' };
    const [ofEnvironment, ofManifest] = (
      await mistakes({ ...wrong, LOG_LEVEL: 'loud', AWS_ENDPOINT_URL: 'localhost', MANIFEST: at('none.yml') })
    ).split('\n');
    expect(ofManifest).toMatch(/none.yml cannot be read \(ENOENT\)/);
    expect(ofEnvironment).toBe(
      [
        'the environment is wrong: NATS_URL ("http://a"): is no address of a NATS server, such as nats://127.0.0.1:4222',
        'STAGE ("a b"): is no stage: letters, digits and -',
        'HTTP_PORT ("65536"): is not a port: 0 (any free one) to 65535',
        'DRAIN_SECONDS ("901"): is not a whole number of seconds from 1 to 900',
        'LOG_LEVEL ("loud"): is none of debug, info, warn, error',
        'LOG_FORMAT ("xml"): is none of text, json',
        'METRICS_EMF ("yes"): is none of on, off',
        'AWS_ENDPOINT_URL ("localhost"): is no address, such as http://127.0.0.1:4566',
      ].join('; '),
    );
  });

  it('are needed where there is no guess', async () => {
    vi.stubEnv('AWS_CONFIG_FILE', at('empty'));
    vi.stubEnv('AWS_REGION', '');
    await expect(readBridgeSettings({ MANIFEST: at('shop.yml') })).rejects.toThrow(
      'NATS_URL: is needed: the address of a NATS server, such as nats://127.0.0.1:4222; AWS_REGION: is needed',
    );
  });

  it('need no region where an endpoint answers for all of them', async () => {
    const { AWS_REGION: _, ...rest } = good();
    await expect(readBridgeSettings({ ...rest, AWS_ENDPOINT_URL_LAMBDA: 'http://127.0.0.1:1' })).resolves.toBeDefined();
  });

  it('ask a manifest without a service for the names of its functions', async () => {
    expect(await mistakes({ MANIFEST: at('nameless.yml') })).toMatch(/nameless.yml has no service: /);
  });
});

describe('what lets the bridge in', () => {
  it('is one of credentials, NKey, user and token', async () => {
    const nkey = at('bridge.nk');
    expect(await mistakes({ NATS_NKEY: nkey, NATS_TOKEN: 't', NATS_URL: 'nats://u:p@a' })).toBe(
      'the environment is wrong: NATS_NKEY and NATS_TOKEN and a user in NATS_URL are set: keep one of them',
    );
    expect(await mistakes({ NATS_NKEY: nkey })).toBe('none');
  });

  it('is looked into: files are there and are what they should be', async () => {
    const files = ['NATS_CREDS', 'NATS_NKEY', 'NATS_CA', 'NATS_CERT', 'NATS_KEY'];
    const absent = await mistakes(Object.fromEntries(files.map((name) => [name, at('none')])));
    const wrong = await mistakes(Object.fromEntries(files.map((name) => [name, at('empty')])));
    for (const name of files) expect(absent).toContain(`${name} ("${at('none')}"): cannot be read (ENOENT): name a file that is there`);
    for (const name of files) expect(wrong).toContain(`${name} ("${at('empty')}"): is not a`);
  });

  it('is looked into where it is content and no path, and is not told', async () => {
    const files = ['NATS_CREDS', 'NATS_CA', 'NATS_CERT', 'NATS_KEY'];
    const text = await mistakes(Object.fromEntries(files.map((name) => [name, '-----BEGIN NOTHING-----\nabc\n'])));
    for (const name of files) expect(text).toContain(`${name} (a secret): is not a`);
  });

  it('comes in pairs: a user with a password, a certificate with its key', async () => {
    const text = await mistakes({ NATS_USER: 'a', NATS_KEY: at('empty') });
    expect(text).toContain('NATS_USER is set without NATS_PASSWORD: set both or neither');
    expect(text).toContain('NATS_KEY is set without NATS_CERT: set both or neither');
  });

  it('is never told, wherever it was put by mistake', async () => {
    const secrets = [seed, '-----BEGIN PRIVATE KEY-----', 'hunter2'];
    const text = await mistakes({
      NATS_NKEY: seed,
      NATS_KEY: secrets[1] ?? '',
      NATS_URL: 'nats://me:hunter2/@a:x',
      NATS_PASSWORD: 'hunter2',
    });
    for (const secret of secrets) expect(text).not.toContain(secret);
    expect(text).toContain('NATS_NKEY (a secret): cannot be read (ENOENT)');
  });
});
