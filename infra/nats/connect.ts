/**
 * A connection to NATS that comes back by itself, for ever, with waits that grow. Files with credentials and certificates are
 * read again each time, so that they can be exchanged under a running program.
 */
import { type ConnectionOptions, connect, errors, type NatsConnection } from '@nats-io/transport-node';
import { credsIn, isContent, nkeyIn, readAgain } from './credentials.ts';

/** At most one way to be let in, beside TLS. */
export type NatsAddress = {
  /** Servers divided by commas; the first may carry `user:password@` or `token@`. `tls://` takes no connection without TLS. */
  url: string;
  user?: string | undefined;
  password?: string | undefined;
  token?: string | undefined;
  /**
   * Paths: credentials as nsc writes them; a seed; PEM files of the authority, of the client's certificate and of its key. Or what
   * would be in the file, where that begins with `-----BEGIN `.
   */
  creds?: string | undefined;
  nkey?: string | undefined;
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  /** What its inboxes begin with: `_INBOX` where absent. */
  inbox?: string | undefined;
};

export class ConnectError extends Error {
  override name = 'ConnectError';
  /** The server was there and refused: waiting does not help. */
  readonly refused: boolean;
  constructor(message: string, refused: boolean, options?: ErrorOptions) {
    super(message, options);
    this.refused = refused;
  }
}

/** ms */
const CONNECT_MS = 5000;
/** ms. A server that does not answer two of these in a row is left for another. */
const PING_MS = 5000;
/** ms between two attempts at a server: a quarter of the time that it has been away for, within these. */
const [MIN_WAIT_MS, MAX_WAIT_MS] = [250, 10_000];
/** ms between two sentences about a server that does not come. */
const TELL_MS = 60_000;

/** Throws a TypeError where one is no URL. */
export const serversOf = (url: string): URL[] =>
  url.split(',').map((one) => new URL(one.includes('://') ? one.trim() : `nats://${one.trim()}`));

/** Without user, password and token. */
export const publicUrl = (url: string): string =>
  serversOf(url)
    .map(({ protocol, host }) => `${protocol}//${host}`)
    .join(',');

const authOf = ({ url, creds, nkey, user, password, token }: NatsAddress): ConnectionOptions => {
  if (creds) return { authenticator: readAgain(creds, credsIn) };
  if (nkey) return { authenticator: readAgain(nkey, nkeyIn) };
  if (token) return { token };
  if (user) return { user, pass: password ?? '' };
  const { username, password: pass } = serversOf(url)[0] as URL;
  if (pass) return { user: decodeURIComponent(username), pass: decodeURIComponent(pass) };
  return username ? { token: decodeURIComponent(username) } : {};
};

const tlsOf = ({ url, ca, cert, key }: NatsAddress): ConnectionOptions => {
  const wanted = ca || cert || serversOf(url).some(({ protocol }) => protocol === 'tls:');
  const part = (name: 'ca' | 'cert' | 'key', value: string | undefined) =>
    value ? { [isContent(value) ? name : `${name}File`]: value } : {};
  return wanted ? { tls: { ...part('ca', ca), ...part('cert', cert), ...part('key', key) } } : {};
};

const waitAfter = (awayMs: number): number => {
  const wait = Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, awayMs / 4));
  return wait / 2 + (Math.random() * wait) / 2;
};

const isRefusal = (error: unknown): boolean =>
  error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError;

/** OpenSSL's and Node's own codes for a certificate that is not believed. */
const isDistrust = ({ code = '', message }: NodeJS.ErrnoException): boolean =>
  /CERT|ISSUER|SSL|TLS|VERIFY/.test(code) || message.includes("support 'tls'");

const connectError = (url: string, cause: Error): ConnectError => {
  const where = `the NATS server at ${publicUrl(url)}`;
  const why = cause.message || cause.name;
  if (isRefusal(cause))
    return new ConnectError(`${where} refuses these credentials (${why}): correct them, or the server's users`, true, { cause });
  const advice = isDistrust(cause)
    ? 'correct NATS_CA, NATS_CERT or the certificate of the server'
    : `start it, or correct NATS_URL${cause instanceof errors.TimeoutError ? ', or set NATS_CERT and NATS_KEY if it asks for a certificate' : ''}`;
  return new ConnectError(`${where} cannot be used (${why}): ${advice}`, false, { cause });
};

/** `name`: what the server calls this client. Tries each server once. Rejects with a ConnectError of one sentence. */
export const connectTo = async (address: NatsAddress & { name: string }): Promise<NatsConnection> => {
  let away: number | undefined;
  const options: ConnectionOptions = {
    servers: serversOf(address.url).map(({ host }) => host),
    name: address.name,
    ...(address.inbox && { inboxPrefix: address.inbox }),
    timeout: CONNECT_MS,
    pingInterval: PING_MS,
    // With those that servers tell of, a client that none of them lets in would try for ever.
    ignoreClusterUpdates: true,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: () => waitAfter(away === undefined ? 0 : Date.now() - away),
  };
  try {
    const nc = await connect({ ...options, ...authOf(address), ...tlsOf(address) });
    void (async () => {
      for await (const { type } of nc.status()) {
        if (type === 'disconnect') away ??= Date.now();
        if (type === 'reconnect') away = undefined;
      }
    })();
    return nc;
  } catch (error) {
    throw connectError(address.url, error as Error);
  }
};

/**
 * `connectTo`, again and again until a server is there; `log` is told why not, at first and then every minute. Rejects with a
 * ConnectError where a server refuses.
 */
export const waitForNats = async (address: NatsAddress & { name: string }, log: (sentence: string) => void): Promise<NatsConnection> => {
  const started = Date.now();
  let told = Number.NEGATIVE_INFINITY;
  for (;;) {
    try {
      return await connectTo(address);
    } catch (error) {
      if (!(error instanceof ConnectError) || error.refused) throw error;
      if (Date.now() - told >= TELL_MS) {
        told = Date.now();
        log(`waiting for NATS: ${error.message}`);
      }
      await new Promise((resolve) => setTimeout(resolve, waitAfter(Date.now() - started)));
    }
  }
};
