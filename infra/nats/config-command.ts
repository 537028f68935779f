/** `npm run nats:config -- --out <folder> --servers a,b,c`: a configuration file for each server of a cluster in operator mode. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readManifest } from '../bridge/manifest/read-manifest.ts';
import { accountClaims, operatorClaims, systemAccount } from './claims.ts';
import { type ClusterSpec, DEFAULT_PORTS, type ServerPlace, serverConfig, serverName } from './cluster-config.ts';
import { runCommand } from './command.ts';
import { DEFAULT_FOLDER, KeysError, readSecrets, readUsers, writePrivate } from './key-folder.ts';

const HELP = `npm run nats:config -- --out <folder> --servers <host>,<host>,<host>

Writes <folder>/<cluster>-<n>.conf, one for each server; nats-server -c takes it. nats:creds init makes the keys first.

  --out       folder of the files (needed)
  --servers   the servers of the cluster: <host>, or <host>:<clients' port>:<routes' port>:<monitoring's port> (needed)
  --listen    address that clients and servers connect to (0.0.0.0)
  --store     folder of messages and accounts on each server (/var/lib/nats)
  --tls       folder on each server with ca.pem, cert.pem and key.pem (/etc/nats/tls)
  --mutual    clients have to show a certificate, too
  --keys      folder of the keys (${DEFAULT_FOLDER})
  --manifest  the file that declares the functions (serverless.yml)`;

const options = {
  out: { type: 'string' },
  servers: { type: 'string' },
  listen: { type: 'string', default: '0.0.0.0' },
  store: { type: 'string', default: '/var/lib/nats' },
  tls: { type: 'string', default: '/etc/nats/tls' },
  mutual: { type: 'boolean', default: false },
  keys: { type: 'string', default: DEFAULT_FOLDER },
  manifest: { type: 'string', default: 'serverless.yml' },
} as const;

const placeOf = (text: string): ServerPlace => {
  const [, host, ports] = /^([A-Za-z0-9.-]+)((?::\d{1,5}){3})?$/.exec(text.trim()) ?? [];
  if (!host)
    throw new KeysError(`--servers: ${JSON.stringify(text)} is no host, or no host with three ports: nats-1.internal:4222:6222:8222`);
  return { host, ports: ports ? (ports.slice(1).split(':').map(Number) as ServerPlace['ports']) : DEFAULT_PORTS };
};

const placesOf = (servers: string): ServerPlace[] => {
  const places = servers.split(',').map(placeOf);
  if (places.length % 2 === 0 || places.length < 3)
    throw new KeysError(`--servers names ${places.length}: take 3 or 5, so that most of them remain when one is lost`);
  if (new Set(places.map(({ host, ports }) => `${host}:${ports[0]}`)).size < places.length)
    throw new KeysError('--servers names a server twice: name each once');
  return places;
};

const run = async (args: string[], say: (line: string) => void): Promise<void> => {
  const { values } = parseArgs({ args, options });
  if (!values.out || !values.servers) throw new KeysError('--out and --servers are needed: see --help');
  const servers = placesOf(values.servers);
  const secrets = await readSecrets(values.keys);
  const manifest = await readManifest(values.manifest);
  const spec: ClusterSpec = {
    name: secrets.name,
    servers,
    operator: await operatorClaims(secrets),
    accounts: await accountClaims(secrets, manifest, await readUsers(values.keys)),
    systemAccount: systemAccount(secrets),
    routes: secrets.routes,
    listen: values.listen,
    store: values.store,
    tls: { ca: join(values.tls, 'ca.pem'), cert: join(values.tls, 'cert.pem'), key: join(values.tls, 'key.pem'), mutual: values.mutual },
  };
  await mkdir(values.out, { recursive: true });
  for (const index of servers.keys()) {
    const path = join(values.out, `${serverName(spec.name, index)}.conf`);
    await writePrivate(path, serverConfig(spec, index));
    say(path);
  }
};

await runCommand(HELP, run);
