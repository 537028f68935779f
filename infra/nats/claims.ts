/** The JWTs of operator mode, made of the keys and of the accounts and permissions as data. */
import {
  type Account,
  encodeAccount,
  encodeOperator,
  encodeUser,
  fmtCreds,
  newScopedSigner,
  type UserPermissionsLimits,
} from '@nats-io/jwt';
import { createUser, fromSeed, type KeyPair } from '@nats-io/nkeys';
import type { Manifest } from '../bridge/manifest/manifest.ts';
import { WATCHED_STREAMS } from '../bridge/sources/unrouted.ts';
import { type AccountSpec, accounts, CONTROL, SYSTEM } from './accounts.ts';
import { bridgePermissions } from './bridge-permissions.ts';
import { domainsOf, type IssuedUser, isDomainRole, type Role, type Secrets } from './key-folder.ts';
import { domainPermissions, operatorPermissions, type Permissions, provisionerPermissions, templatesOf } from './permissions.ts';
import { streams } from './streams.ts';

const pair = (seed: string): KeyPair => fromSeed(new TextEncoder().encode(seed));
const publicKey = (seed: string): string => pair(seed).getPublicKey();

const UNLIMITED = -1;
const NO_STORAGE = { mem_storage: 0, disk_storage: 0, streams: 0, consumer: 0 };
const STORAGE = { mem_storage: UNLIMITED, disk_storage: UNLIMITED, streams: UNLIMITED, consumer: UNLIMITED };
/** Without limits in it the server takes each for zero. */
const limits = {
  subs: UNLIMITED,
  data: UNLIMITED,
  payload: UNLIMITED,
  imports: UNLIMITED,
  exports: UNLIMITED,
  wildcards: true,
  conn: UNLIMITED,
  leaf: 0,
  disallow_bearer: true,
};

/** What 002 asks of agents. */
const MODEST = { subs: 1000, payload: 1_048_576 };

const claimed = (role: Role, { publish, subscribe, answers }: Permissions): Partial<UserPermissionsLimits> => ({
  pub: { allow: publish },
  sub: { allow: subscribe },
  ...(answers && { resp: { max: answers.max, ttl: answers.ms * 1e6 } }),
  subs: UNLIMITED,
  data: UNLIMITED,
  payload: UNLIMITED,
  ...(isDomainRole(role) && MODEST),
});

const permissionsOf = (role: Role, account: string, manifest: Manifest): Permissions => {
  const templates = templatesOf(account);
  switch (role) {
    case 'bridge':
      return bridgePermissions(manifest, WATCHED_STREAMS);
    case 'operator':
      return operatorPermissions(templates);
    case 'provisioner':
      return provisionerPermissions(templates, streams({ replicas: 1, bytes: 0 }));
    default:
      return domainPermissions(role, templates);
  }
};

const exportsOf = ({ exports }: AccountSpec): NonNullable<Account['exports']> =>
  exports.map(({ kind, subject, many }) => ({
    name: `${kind} ${subject}`,
    subject,
    type: kind,
    ...(kind === 'service' && { response_type: many ? ('Stream' as const) : ('Singleton' as const) }),
  }));

export const operatorClaims = (secrets: Secrets): Promise<string> =>
  encodeOperator(secrets.name, pair(secrets.operator), { system_account: publicKey(secrets.system.account) });

export const systemAccount = ({ system }: Secrets): string => publicKey(system.account);

export type AccountClaims = { name: string; key: string; jwt: string /** The same without imports. */; bare: string };

/** SYS first. `users`: those that were revoked are in the claims until they would have expired. */
export const accountClaims = async (secrets: Secrets, manifest: Manifest, users: readonly IssuedUser[]): Promise<AccountClaims[]> => {
  const signer = pair(secrets.operator);
  const keyOf = (name: string): string => publicKey((secrets.accounts[name] as { seed: string }).seed);
  const sign = async (name: string, seed: string, account: Partial<Account>): Promise<AccountClaims> => ({
    name,
    key: publicKey(seed),
    jwt: await encodeAccount(name, pair(seed), account, { signer }),
    bare: await encodeAccount(name, pair(seed), { ...account, imports: [] }, { signer }),
  });
  const product = accounts(domainsOf(secrets)).map((spec) => {
    const { seed, roles } = secrets.accounts[spec.name] as Secrets['accounts'][string];
    const revoked = users.filter(({ account, revoked }) => account === spec.name && revoked);
    return sign(spec.name, seed, {
      exports: exportsOf(spec),
      imports: spec.imports.map(({ kind, subject, from }) => ({
        name: `${kind} ${subject} of ${from}`,
        subject,
        account: keyOf(from),
        type: kind,
      })),
      limits: { ...limits, ...(spec.name === CONTROL ? STORAGE : NO_STORAGE) },
      signing_keys: Object.entries(roles).map(([role, key]) =>
        newScopedSigner(pair(key), role, claimed(role as Role, permissionsOf(role as Role, spec.name, manifest))),
      ),
      ...(revoked.length > 0 && { revocations: Object.fromEntries(revoked.map(({ key, revoked }) => [key, revoked as number])) }),
    });
  });
  const system = sign(SYSTEM, secrets.system.account, {
    limits: { ...limits, ...NO_STORAGE },
    exports: [],
  });
  return Promise.all([system, ...product]);
};

/** A credentials file. */
const credsFile = (jwt: string, user: KeyPair): Uint8Array => fmtCreds(jwt, user);

/** For `nats:creds` itself: lets it push accounts. */
export const systemCreds = async ({ system }: Secrets): Promise<Uint8Array> => {
  const user = pair(system.user);
  return credsFile(
    await encodeUser('nats-creds', user, pair(system.account), { subs: UNLIMITED, data: UNLIMITED, payload: UNLIMITED }),
    user,
  );
};

/** A new key and its credentials. What it may do is not in them: the account says it, by the role of the key that signed. */
export const userCreds = async (
  { accounts }: Secrets,
  { id, account, role, name, expires, issued }: Omit<IssuedUser, 'key'>,
): Promise<{ creds: Uint8Array; user: IssuedUser }> => {
  const keys = accounts[account] as Secrets['accounts'][string];
  const user = createUser();
  const signer = pair(keys.roles[role] as string);
  const options = { signer, exp: expires, scopedUser: true };
  const jwt = await encodeUser(id, user, publicKey(keys.seed), name ? { tags: [`name:${name}`] } : {}, options);
  const entry: IssuedUser = { id, account, role, ...(name && { name }), key: user.getPublicKey(), issued, expires };
  return { creds: credsFile(jwt, user), user: entry };
};
