/** Three nats-servers in operator mode, from the very files that the commands write; credentials by name. */
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect, credsAuthenticator, errors, type NatsConnection } from '@nats-io/transport-node';
import { findNatsServer } from '#infra/local/find-nats-server.ts';
import { freePort } from '#infra/local/free-port.ts';
import { type GuardedChild, spawnGuarded } from '#infra/local/guarded-child.ts';
import { CONTROL } from '#infra/nats/accounts.ts';
import { userCreds } from '#infra/nats/claims.ts';
import { manageCreds } from '#infra/nats/creds-command.ts';
import { type Role, readSecrets, writePrivate } from '#infra/nats/key-folder.ts';
import { type Certificates, makeCertificates } from './certificates.ts';

export type Outcome = { code: number; stdout: string; stderr: string };

/** Runs a command of infra/nats to its end. */
export const runNats = async (command: string, args: string[], env: Record<string, string> = {}): Promise<Outcome> => {
  const run = promisify(execFile)(process.execPath, [`infra/nats/${command}-command.ts`, ...args], {
    env: { PATH: process.env.PATH, ...env },
  });
  return run.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );
};

export type Violation = { user: string; verb: 'publish' | 'subscription'; subject: string };

export type NatsCluster = {
  folder: string;
  /** Of the first server; `urls` has all of them. */
  url: string;
  urls: string[];
  certificates: Certificates;
  /** What NATS_* a command needs, without credentials. */
  environment: Record<string, string>;
  /** `nats:creds` on the cluster's keys; rejects with what it said where it fails. */
  creds(...args: string[]): Promise<string>;
  /** Credentials for a user, without a process: an agent of a domain is called `<id>-role` there. */
  give(id: string, role: Role, domain?: string, file?: string): Promise<void>;
  /** A connection with them, to the server of that number. */
  connectAs(id: string, options?: { server?: number; creds?: string; certificate?: boolean }): Promise<NatsConnection>;
  /** What servers refused, as clients were told. */
  violations: Violation[];
  /** Of the same configuration, with what it had stored. */
  restart(server: number): Promise<void>;
  stop(): Promise<void>;
};

/** ms */
const START_MS = 10_000;

const answers = async (tryIt: () => Promise<NatsConnection>): Promise<void> => {
  const deadline = Date.now() + START_MS;
  for (;;) {
    try {
      return void (await (await tryIt()).close());
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
};

export const setupNatsCluster = async (options: { domains: string[]; mutual?: boolean }): Promise<NatsCluster> => {
  const folder = await mkdtemp(join(tmpdir(), 'mistersmith-cluster-'));
  const at = (name: string) => join(folder, name);
  const keys = at('keys');
  const places: string[] = [];
  for (let n = 0; n < 3; n++) places.push(['localhost', await freePort(), await freePort(), await freePort()].join(':'));
  const certificates = await makeCertificates(folder);
  await copyFile(certificates.serverCert, at('cert.pem'));
  await copyFile(certificates.serverKey, at('key.pem'));
  const urls = places.map((place) => `tls://localhost:${place.split(':')[1]}`);
  const environment = {
    NATS_URL: urls.join(','),
    NATS_CA: certificates.ca,
    ...(options.mutual && { NATS_CERT: certificates.clientCert, NATS_KEY: certificates.clientKey }),
  };

  const creds = async (...args: string[]): Promise<string> => {
    const said: string[] = [];
    await manageCreds([...args, '--keys', keys], (line) => said.push(line), environment);
    return said.join('\n');
  };
  await runNats('creds', ['init', '--domains', options.domains.join(), '--keys', keys]);
  const made = await runNats('config', [
    ...['--out', at('conf'), '--servers', places.join(), '--listen', '127.0.0.1', '--keys', keys, '--tls', folder, '--store', at('store')],
    ...(options.mutual ? ['--mutual'] : []),
  ]);
  if (made.code !== 0) throw new Error(made.stderr);

  const binary = await findNatsServer({ log: console.info });
  const start = (file: string): GuardedChild => spawnGuarded({ command: binary, args: ['-c', file], logFile: `${file}.log` });
  const files = made.stdout.trim().split('\n');
  const servers = files.map(start);

  const violations: Violation[] = [];
  const connections: NatsConnection[] = [];
  const secrets = await readSecrets(keys);
  const give: NatsCluster['give'] = async (id, role, domain, file = `${id}.creds`) => {
    const [issued, account] = [Math.floor(Date.now() / 1000), domain ?? CONTROL];
    const { creds } = await userCreds(secrets, { id, account, role, ...(domain && { name: `${id}-role` }), issued, expires: issued + 600 });
    await writePrivate(at(file), creds);
  };
  const connectAs: NatsCluster['connectAs'] = async (
    id,
    { server = 0, creds: file = `${id}.creds`, certificate = options.mutual } = {},
  ) => {
    const connection = await connect({
      servers: urls[server]?.replace('tls://', '') as string,
      authenticator: credsAuthenticator(await readFile(at(file))),
      inboxPrefix: `_INBOX.${id}`,
      tls: { caFile: certificates.ca, ...(certificate && { certFile: certificates.clientCert, keyFile: certificates.clientKey }) },
      name: id,
      reconnect: false,
      timeout: 3000,
    });
    connections.push(connection);
    void (async () => {
      for await (const status of connection.status())
        if (status.type === 'error' && status.error instanceof errors.PermissionViolationError)
          violations.push({ user: id, verb: status.error.operation, subject: status.error.subject });
    })();
    return connection;
  };
  /** What is pushed reaches the servers that have met by then. */
  const hasMetAll = async (connection: NatsConnection): Promise<NatsConnection> => {
    const pings = await connection.requestMany('$SYS.REQ.SERVER.PING', '', {
      strategy: 'count',
      maxMessages: places.length,
      maxWait: 1000,
    });
    let met = 0;
    for await (const _ of pings) met++;
    if (met === places.length) return connection;
    await connection.close();
    throw new Error(`a server has met ${met} of ${places.length}`);
  };
  const up = (server: number) => answers(async () => hasMetAll(await connectAs('system', { server, creds: 'keys/system.creds' })));
  await Promise.all(urls.map((_, server) => up(server)));
  return {
    folder,
    url: urls[0] as string,
    urls,
    certificates,
    environment,
    creds,
    give,
    connectAs,
    violations,
    async restart(server) {
      await servers[server]?.stop();
      servers[server] = start(files[server] as string);
      await up(server);
    },
    async stop() {
      await Promise.all(connections.map((connection) => connection.close()));
      await Promise.all(servers.map((server) => server.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
};
