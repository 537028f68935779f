/** Who gets in, who does not, and what becomes of a connection when the server or its credentials change. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeAccount, encodeOperator, encodeUser, fmtCreds } from '@nats-io/jwt';
import { type NatsConnection, nkeys } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connectTo, type NatsAddress, publicUrl, waitForNats } from '#infra/nats/connect.ts';
import { type Certificates, makeCertificates } from '#test/support/certificates.ts';
import { type ConfiguredNats, configuredNats } from '#test/support/nats-with.ts';

let folder: string;
let server: ConfiguredNats;
let connections: NatsConnection[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mistersmith-connect-'));
  server = await configuredNats(folder);
  connections = [];
});
afterEach(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const connect = async (address: Partial<NatsAddress> = {}): Promise<NatsConnection> => {
  const connection = await connectTo({ url: server.url, name: 'test', ...address });
  connections.push(connection);
  return connection;
};
/** Who the server takes the client for. */
const userOf = async (connection: NatsConnection) => {
  const reply = await connection.request('$SYS.REQ.USER.INFO');
  return reply.json<{ data: { user: string } }>().data.user;
};
const file = async (name: string, content: string | Uint8Array): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
};
const newUser = () => {
  const user = nkeys.createUser();
  return { publicKey: user.getPublicKey(), seed: Buffer.from(user.getSeed()).toString() };
};
/** nsc's defaults for an account; without them it has no connection to give. */
const unlimited = { conn: -1, subs: -1, data: -1, payload: -1, leaf: -1, imports: -1, exports: -1, wildcards: true };
/** What is asked while there is no connection is refused. */
const back = <T>(ask: () => Promise<T>): Promise<T> => vi.waitFor(ask, { timeout: 10_000 });
const nkeyUsers = (...publicKeys: string[]) => `authorization { users: [${publicKeys.map((nkey) => `{ nkey: ${nkey} }`).join(', ')}] }`;

describe('a server lets in', () => {
  it('a user with a password, in the address or beside it', async () => {
    await server.start('authorization { user: "a b", password: "p@ss/word" }');
    const inAddress = await connect({ url: `nats://a%20b:p%40ss%2Fword@127.0.0.1:${server.port}` });
    const beside = await connect({ user: 'a b', password: 'p@ss/word' });
    expect([await userOf(inAddress), await userOf(beside)]).toEqual(['a b', 'a b']);
  });

  it('a token, in the address or beside it', async () => {
    await server.start('authorization { token: "s3cret" }');
    const inAddress = await connect({ url: `nats://s3cret@127.0.0.1:${server.port}` });
    const beside = await connect({ token: 's3cret' });
    expect([inAddress.isClosed(), beside.isClosed()]).toEqual([false, false]);
  });

  it('an NKey, by the file with its seed', async () => {
    const { publicKey, seed } = newUser();
    await server.start(nkeyUsers(publicKey));
    const connection = await connect({ nkey: await file('bridge.nk', `-----BEGIN USER NKEY SEED-----\n${seed}\n`) });
    expect(await userOf(connection)).toBe(publicKey);
  });

  it('a user of an operator, by the credentials file of nsc, whatever became of the ends of its lines', async () => {
    const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()];
    const accountJwt = await encodeAccount('fleet', account, { limits: unlimited }, { signer: operator });
    const resolver = `resolver: MEMORY\nresolver_preload { ${account.getPublicKey()}: ${accountJwt} }`;
    await server.start(`operator: ${await encodeOperator('us', operator)}\n${resolver}`);
    const creds = fmtCreds(await encodeUser('bridge', user, account), user);
    const byFile = await connect({ creds: await file('bridge.creds', creds) });
    const text = Buffer.from(creds).toString();
    const byContent = await connect({ creds: text });
    const trimmed = await connect({ creds: text.trim() });
    const fromWindows = await connect({ creds: await file('crlf.creds', text.replaceAll('\n', '\r\n')) });
    const all = [byFile, byContent, trimmed, fromWindows];
    await Promise.all(all.map((connection) => connection.flush()));
    expect(all.map((connection) => connection.isClosed())).toEqual([false, false, false, false]);
  });
});

describe('who does not get in is told why in a sentence', () => {
  it('with wrong credentials, which waiting does not help', async () => {
    await server.start('authorization { user: a, password: b }');
    await expect(connect({ url: `nats://a:wrong@127.0.0.1:${server.port}` })).rejects.toMatchObject({
      message: `the NATS server at ${server.url} refuses these credentials (Authorization Violation): correct them, or the server's users`,
      refused: true,
    });
    await expect(waitForNats({ url: server.url, name: 'test', token: 'no' }, () => {})).rejects.toThrow('refuses these credentials');
  });

  it('where nothing listens', async () => {
    const message = `the NATS server at ${server.url} cannot be used (connection refused): start it, or correct NATS_URL`;
    await expect(connect()).rejects.toMatchObject({ message, refused: false });
  });

  it('where tls:// is asked for and the server has none', async () => {
    await server.start('');
    await expect(connect({ url: `tls://127.0.0.1:${server.port}` })).rejects.toThrow("server does not support 'tls'");
  });

  it('without a word of what is secret', () => {
    expect(publicUrl('nats://a:p%40ss@one:4222,tls://two,three')).toBe('nats://one:4222,tls://two,nats://three');
  });
});

describe('over TLS', async () => {
  const certificateFolder = await mkdtemp(join(tmpdir(), 'mistersmith-certificates-'));
  const certificates = await makeCertificates(certificateFolder).catch((error: Error) =>
    console.warn(`TLS is not tried: openssl cannot be used (${error.message})`),
  );
  describe.skipIf(!certificates)('with an authority of its own', () => {
    const { ca, serverCert, serverKey, clientCert, clientKey } = certificates as Certificates;
    const url = () => `tls://localhost:${server.port}`;
    const tls = (more = '') => `tls { cert_file: "${serverCert}", key_file: "${serverKey}", ca_file: "${ca}", ${more} }`;

    it('a server is trusted by NATS_CA', async () => {
      await server.start(tls());
      const connection = await connect({ url: url(), ca });
      expect(connection.info?.tls_required).toBe(true);
      await connection.flush();
    });

    it('a server that nobody vouches for is not talked to', async () => {
      await server.start(tls());
      await expect(connect({ url: url() })).rejects.toThrow(/: correct NATS_CA, NATS_CERT or the certificate of the server$/);
    });

    it('certificates and keys come as content, too, as a container gets its secrets', async () => {
      await server.start(tls('verify: true'));
      const [authority, cert, key] = await Promise.all([ca, clientCert, clientKey].map((path) => readFile(path, 'utf8')));
      await (await connect({ url: url(), ca: authority, cert, key })).flush();
    });

    it('a client shows its certificate where the server asks for one (mutual TLS)', async () => {
      await server.start(tls('verify: true'));
      await (await connect({ url: url(), ca, cert: clientCert, key: clientKey })).flush();
      await expect(connect({ url: url(), ca })).rejects.toThrow(/, or set NATS_CERT and NATS_KEY if it asks for a certificate$/);
    });
  });
  afterAll(() => rm(certificateFolder, { recursive: true, force: true }));
});

describe('a connection', () => {
  it('is waited for, and the reason is told once a minute', async () => {
    const log = vi.fn();
    const waiting = waitForNats({ url: server.url, name: 'test' }, log);
    await vi.waitFor(() => expect(log).toHaveBeenCalled());
    await server.start('');
    connections.push(await waiting);
    expect(log.mock.calls).toEqual([[expect.stringMatching(/^waiting for NATS: the NATS server at .* cannot be used/)]]);
  });

  it('comes back when the server does', async () => {
    await server.start('');
    const connection = await connect();
    await server.stop();
    await server.start('');
    await back(() => connection.flush());
    expect(connection.isClosed()).toBe(false);
  });

  it('comes back with the credentials that are in the file then', async () => {
    const [old, fresh] = [newUser(), newUser()];
    await server.start(nkeyUsers(old.publicKey));
    const connection = await connect({ nkey: await file('bridge.nk', old.seed) });
    await server.stop();
    await file('bridge.nk', fresh.seed);
    await server.start(nkeyUsers(fresh.publicKey));
    expect(await back(() => userOf(connection))).toBe(fresh.publicKey);
  });

  it('comes back with those of before while the file is being written', async () => {
    const { publicKey, seed } = newUser();
    await server.start(nkeyUsers(publicKey));
    const connection = await connect({ nkey: await file('bridge.nk', seed) });
    await server.stop();
    await file('bridge.nk', '');
    await server.start(nkeyUsers(publicKey));
    expect(await back(() => userOf(connection))).toBe(publicKey);
  });

  it('ends where the server does not know its user any more', async () => {
    const [old, other] = [newUser(), newUser()];
    await server.start(nkeyUsers(old.publicKey));
    const connection = await connect({ nkey: await file('bridge.nk', old.seed) });
    await server.stop();
    await server.start(nkeyUsers(other.publicKey));
    expect(await connection.closed()).toMatchObject({ message: expect.stringContaining('Authorization Violation') });
  });
});
