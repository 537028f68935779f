/** Files that say who a client is; or their content, where a container gets its secrets as environment variables. */
import { readFileSync } from 'node:fs';
import { type Authenticator, credsAuthenticator, nkeyAuthenticator } from '@nats-io/transport-node';

const PROBE = 'nonce';

/** Whether it is no path but what would be in the file: credentials of nsc and PEM begin alike. */
export const isContent = (pathOrContent: string): boolean => pathOrContent.trimStart().startsWith('-----BEGIN ');

/** Throws where there is no such file. */
export const contentOf = (pathOrContent: string): Buffer =>
  isContent(pathOrContent) ? Buffer.from(pathOrContent) : readFileSync(pathOrContent);

/** Throws where it holds no JWT and seed of a user. Secret stores and editors change the ends of lines, which the library wants as nsc writes them. */
export const credsIn = (content: Uint8Array): Authenticator => {
  const text = Buffer.from(content).toString().replaceAll('\r', '').trim();
  const authenticator = credsAuthenticator(Buffer.from(`${text}\n`));
  authenticator(PROBE);
  return authenticator;
};

/** Throws where it holds no seed of a user. */
export const nkeyIn = (content: Uint8Array): Authenticator => {
  const [seed = ''] = /\bSU[A-Z2-7]{56}\b/.exec(Buffer.from(content).toString()) ?? [];
  const authenticator = nkeyAuthenticator(Buffer.from(seed));
  if (!seed) throw new Error('there is no seed');
  authenticator(PROBE);
  return authenticator;
};

/** Reads a file for every connection. One that is being exchanged just now is not there or not whole: then what was read before stands. */
export const readAgain = (pathOrContent: string, parse: (content: Uint8Array) => Authenticator): Authenticator => {
  let last = parse(contentOf(pathOrContent));
  return (nonce) => {
    try {
      last = parse(contentOf(pathOrContent));
    } catch {
      // What was read before stands.
    }
    return last(nonce);
  };
};
