/** Files that say who a client is. */
import { readFileSync } from 'node:fs';
import { type Authenticator, credsAuthenticator, nkeyAuthenticator } from '@nats-io/transport-node';

const PROBE = 'nonce';

/** Throws where it holds no JWT and seed of a user. */
export const credsIn = (content: Uint8Array): Authenticator => {
  const authenticator = credsAuthenticator(content);
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

/** Reads the file for every connection. One that is being exchanged just now is not there or not whole: then what was read before stands. */
export const readAgain = (path: string, parse: (content: Uint8Array) => Authenticator): Authenticator => {
  let last = parse(readFileSync(path));
  return (nonce) => {
    try {
      last = parse(readFileSync(path));
    } catch {
      // What was read before stands.
    }
    return last(nonce);
  };
};
