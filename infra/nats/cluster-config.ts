/** The configuration of each server of a cluster in operator mode, as text that nats-server reads. */
import type { AccountClaims } from './claims.ts';

export type ServerPlace = {
  host: string /** Of clients, of the other servers, of the monitoring on 127.0.0.1. */;
  ports: [number, number, number];
};

export type ClusterSpec = {
  name: string;
  servers: readonly ServerPlace[];
  /** JWTs: the operator's, and those of all accounts, which a server knows before anything is pushed. */
  operator: string;
  accounts: readonly AccountClaims[];
  systemAccount: string;
  routes: { user: string; password: string };
  /** The address that servers listen at. */
  listen: string;
  /** Paths on the server. */
  store: string;
  tls: { ca: string; cert: string; key: string /** Clients must show a certificate, too. */; mutual: boolean };
};

export const DEFAULT_PORTS: ServerPlace['ports'] = [4222, 6222, 8222];

/** What a client may send at once: outputs, dead letters and results are smaller than Lambda's 6 MB. */
const MAX_PAYLOAD = '8MB';

// JSON strings are valid in the server's configuration.
const text = (value: string): string => JSON.stringify(value);

export const serverName = (cluster: string, index: number): string => `${cluster}-${index + 1}`;

/** A file for a server: `index` counts from 0. */
export const serverConfig = (spec: ClusterSpec, index: number): string => {
  const { host, ports } = spec.servers[index] as ServerPlace;
  const [clients, routes, monitoring] = ports;
  const name = serverName(spec.name, index);
  const { ca, cert, key, mutual } = spec.tls;
  const { user, password } = spec.routes;
  const tls = (verify: boolean): string =>
    `{ cert_file: ${text(cert)}, key_file: ${text(key)}, ca_file: ${text(ca)}, verify: ${verify}, timeout: 5 }`;
  const others = spec.servers.filter((_, at) => at !== index);
  return `# Made by nats:config. It holds the password of the routes: keep it for the server's user only.
server_name: ${text(name)}
listen: ${text(`${spec.listen}:${clients}`)}
client_advertise: ${text(`${host}:${clients}`)}
http: "127.0.0.1:${monitoring}"
tls ${tls(mutual)}

max_payload: ${MAX_PAYLOAD}
max_connections: 65536
max_subscriptions: 10000
max_control_line: 32KB
max_pending: 64MB
write_deadline: "10s"
ping_interval: "20s"
ping_max: 3
lame_duck_duration: "60s"
lame_duck_grace_period: "5s"

jetstream {
  store_dir: ${text(`${spec.store}/${name}`)}
  # An acknowledged write is on the disk. The default writes every two minutes, and a power failure loses the rest.
  sync_interval: always
}

cluster {
  name: ${text(spec.name)}
  listen: ${text(`${spec.listen}:${routes}`)}
  cluster_advertise: ${text(`${host}:${routes}`)}
  authorization { user: ${text(user)}, password: ${text(password)}, timeout: 5 }
  tls ${tls(true)}
  routes: [
${others.map(({ host, ports }) => `    ${text(`nats-route://${user}:${password}@${host}:${ports[1]}`)}`).join('\n')}
  ]
}

operator: ${text(spec.operator)}
system_account: ${text(spec.systemAccount)}
resolver {
  type: full
  dir: ${text(`${spec.store}/${name}/accounts`)}
  allow_delete: false
  interval: "2m"
}
# Accounts as they are now. What nats:creds pushes later is newer and wins.
resolver_preload {
${spec.accounts.map(({ key, jwt, name }) => `  # ${name}\n  ${key}: ${text(jwt)}`).join('\n')}
}
`;
};
