/**
 * Where NATS is and how to be let in, as environment variables that every program here reads alike. Files are looked into. A value
 * that begins with `-----BEGIN ` is not a path but what would be in the file: so a container gets its secrets.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import * as z from 'zod';
import { type Environment, withoutEmpty } from '../settings.ts';
import { type NatsAddress, serversOf } from './connect.ts';
import { contentOf, credsIn, nkeyIn } from './credentials.ts';

/** A file that `check` does not throw on: its path, or its content. */
const file = (what: string, check: (content: Buffer) => unknown) =>
  z
    .string()
    .check(({ value, issues }) => {
      const say = (message: string) => void issues.push({ code: 'custom', message, input: value });
      let content: Buffer;
      try {
        content = contentOf(value);
      } catch (error) {
        return say(`cannot be read (${(error as NodeJS.ErrnoException).code}): name a file that is there and that this user may read`);
      }
      try {
        check(content);
      } catch {
        say(`is not ${what}`);
      }
    })
    .optional();

const isServerUrl = (text: string): boolean => {
  try {
    return serversOf(text).every(({ protocol, hostname }) => ['nats:', 'tls:'].includes(protocol) && hostname !== '');
  } catch {
    return false;
  }
};

const certificate = (content: Buffer) => new X509Certificate(content);

export const natsUrl = z
  .string('is needed: the address of a NATS server, such as nats://127.0.0.1:4222')
  .refine(isServerUrl, 'is no address of a NATS server, such as nats://127.0.0.1:4222');

export const natsVariables = {
  NATS_URL: natsUrl.optional(),
  NATS_CREDS: file('a credentials file, as nsc writes it', credsIn),
  NATS_NKEY: file("a file with a user's seed, which begins with SU", nkeyIn),
  NATS_USER: z.string().optional(),
  NATS_PASSWORD: z.string().optional(),
  NATS_TOKEN: z.string().optional(),
  NATS_CA: file('a file with a certificate (PEM)', certificate),
  NATS_CERT: file('a file with a certificate (PEM)', certificate),
  NATS_KEY: file('a file with a private key without a passphrase (PEM)', createPrivateKey),
  NATS_INBOX: z
    .string()
    .regex(/^[^\s.*>]+(\.[^\s.*>]+)*$/, 'is nothing that a subject begins with: write _INBOX.<id>')
    .default('_INBOX'),
};

export type NatsSettings = z.infer<z.ZodObject<typeof natsVariables>>;

/** What each variable says for `--help`. */
export const NATS_HELP = `\
  NATS_CREDS    file with credentials as nsc writes it
  NATS_NKEY     file with the seed of an NKey
  NATS_USER, NATS_PASSWORD
                or nats://user:password@host in NATS_URL
  NATS_TOKEN    or nats://token@host in NATS_URL
  NATS_CA       file with the authorities (PEM) that are trusted instead of the well-known ones
  NATS_CERT, NATS_KEY
                files with a certificate and its key (PEM), for servers that ask for one
                In place of a path: what is in the file, if it begins with -----BEGIN
  NATS_INBOX    what its inboxes begin with (_INBOX): for a user of nats:creds _INBOX.<id>, for a bridge _INBOX.bridge`;

const isPair = (cert: string, key: string): boolean => {
  try {
    return certificate(contentOf(cert)).checkPrivateKey(createPrivateKey(contentOf(key)));
  } catch {
    // Each file's own mistake is told where it is read.
    return true;
  }
};

/** Mistakes between variables, a sentence each. */
export const natsConflicts = (environment: Environment): string[] => {
  const { NATS_URL = '', NATS_CREDS, NATS_NKEY, NATS_USER, NATS_PASSWORD, NATS_TOKEN, NATS_CERT, NATS_KEY } = withoutEmpty(environment);
  const ways = Object.entries({ NATS_CREDS, NATS_NKEY, NATS_USER, NATS_TOKEN, 'a user in NATS_URL': NATS_URL.includes('@') || undefined });
  const set = ways.filter(([, value]) => value !== undefined).map(([name]) => name);
  const alone = (one: string, other: string) => `${one} is set without ${other}: set both or neither`;
  return [
    ...(set.length > 1 ? [`${set.join(' and ')} are set: keep one of them`] : []),
    ...(NATS_USER && !NATS_PASSWORD ? [alone('NATS_USER', 'NATS_PASSWORD')] : []),
    ...(NATS_PASSWORD && !NATS_USER ? [alone('NATS_PASSWORD', 'NATS_USER')] : []),
    ...(NATS_CERT && !NATS_KEY ? [alone('NATS_CERT', 'NATS_KEY')] : []),
    ...(NATS_KEY && !NATS_CERT ? [alone('NATS_KEY', 'NATS_CERT')] : []),
    ...(NATS_CERT && NATS_KEY && !isPair(NATS_CERT, NATS_KEY) ? ['NATS_KEY is not the key of NATS_CERT: name the two of one pair'] : []),
  ];
};

/** As `connectTo` takes it. */
export const natsAddress = (settings: NatsSettings, url: string): NatsAddress => ({
  url,
  creds: settings.NATS_CREDS,
  nkey: settings.NATS_NKEY,
  user: settings.NATS_USER,
  password: settings.NATS_PASSWORD,
  token: settings.NATS_TOKEN,
  ca: settings.NATS_CA,
  cert: settings.NATS_CERT,
  key: settings.NATS_KEY,
  inbox: settings.NATS_INBOX,
});
