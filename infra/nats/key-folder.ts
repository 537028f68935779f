/**
 * The folder of whoever runs NATS in operator mode: the seeds (`secrets.json`, for its owner's eyes only) and who was given
 * credentials (`users.json`). Everything else is made of these two.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAccount, createOperator, createUser } from '@nats-io/nkeys';
import * as z from 'zod';
import { isToken } from '#shared/subjects.ts';
import { CONTROL, SYSTEM } from './accounts.ts';

export const DEFAULT_FOLDER = '.mistersmith/nats';

/** A mistake of whoever calls; the message says what to do. */
export class KeysError extends Error {
  override name = 'KeysError';
}

export const DOMAIN_ROLES = ['agent', 'coordinator', 'supervisor'] as const;
export const CONTROL_ROLES = ['bridge', 'operator', 'provisioner'] as const;
/** Of the domains' roles. */
export const isDomainRole = (role: Role): boolean => (DOMAIN_ROLES as readonly Role[]).includes(role);
export type Role = (typeof DOMAIN_ROLES)[number] | (typeof CONTROL_ROLES)[number];

const accountKeys = z.object({
  seed: z.string(),
  /** By role: the seed that signs users of it, and of nothing else. */
  roles: z.record(z.string(), z.string()),
});

const secretsSchema = z.object({
  /** What the operator and the cluster are called. */
  name: z.string(),
  operator: z.string(),
  system: z.object({ account: z.string(), user: z.string() }),
  /** By name: CONTROL, then the domains. */
  accounts: z.record(z.string(), accountKeys),
  routes: z.object({ user: z.string(), password: z.string() }),
});
export type Secrets = z.infer<typeof secretsSchema>;

const userSchema = z.object({
  id: z.string(),
  account: z.string(),
  role: z.enum([...DOMAIN_ROLES, ...CONTROL_ROLES]),
  /** 003's name of the agent. */
  name: z.string().optional(),
  /** The public key. */
  key: z.string(),
  /** s since 1970 */
  issued: z.number(),
  expires: z.number(),
  revoked: z.number().optional(),
});
export type IssuedUser = z.infer<typeof userSchema>;

const seed = (pair: { getSeed(): Uint8Array }): string => Buffer.from(pair.getSeed()).toString();

const newAccount = (roles: readonly string[]) => ({
  seed: seed(createAccount()),
  roles: Object.fromEntries(roles.map((role) => [role, seed(createAccount())])),
});

const checkDomain = (domain: string): void => {
  if (!isToken(domain) || [CONTROL, SYSTEM].includes(domain.toUpperCase()) || domain === 'discovery' || domain === 'registry')
    throw new KeysError(`${JSON.stringify(domain)} cannot be a domain: take letters, digits, _ and -, and no word of the product`);
};

export const withDomain = (secrets: Secrets, domain: string): Secrets => {
  checkDomain(domain);
  if (Object.hasOwn(secrets.accounts, domain)) throw new KeysError(`the domain ${domain} is there already`);
  return { ...secrets, accounts: { ...secrets.accounts, [domain]: newAccount(DOMAIN_ROLES) } };
};

export const newSecrets = (name: string, domains: readonly string[]): Secrets => {
  const bare: Secrets = {
    name,
    operator: seed(createOperator()),
    system: { account: seed(createAccount()), user: seed(createUser()) },
    accounts: { [CONTROL]: newAccount(CONTROL_ROLES) },
    routes: { user: 'route', password: randomBytes(24).toString('base64url') },
  };
  return domains.reduce(withDomain, bare);
};

export const domainsOf = ({ accounts }: Secrets): string[] => Object.keys(accounts).filter((name) => name !== CONTROL);

const SECRETS = 'secrets.json';
const USERS = 'users.json';

/** For `catch`. */
const refuse =
  (path: string) =>
  (cause: NodeJS.ErrnoException): never => {
    throw new KeysError(
      `${path} cannot be written (${cause.code}): name a file in a folder that is there and that this user may write to`,
      { cause },
    );
  };

/** Whole or not at all, and for its owner only. `before`: what has to be done before the file is there, and after it is known that it can be. */
export const writePrivate = async (
  path: string,
  content: string | Uint8Array,
  before: () => Promise<void> = async () => undefined,
): Promise<void> => {
  const draft = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  await writeFile(draft, content, { mode: 0o600, flag: 'wx' }).catch(refuse(path));
  try {
    await before();
    await rename(draft, path).catch(refuse(path));
  } finally {
    await rm(draft, { force: true });
  }
};

/** Does the work while no other command is at work in the folder: what one has read, no other one changes before it writes. */
export const alone = async (folder: string, work: () => Promise<void>): Promise<void> => {
  const lock = join(folder, 'lock');
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch(refuse(lock));
  const taken = await open(lock, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EEXIST') return refuse(lock)(cause);
    throw new KeysError(`another nats:creds is at work in ${folder}: wait, or delete ${lock}`, { cause });
  });
  await taken.close();
  try {
    await work();
  } finally {
    await rm(lock, { force: true });
  }
};

const read = async <Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.output<Schema> | undefined> => {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new KeysError(`${path} cannot be read (${code}): let this user read it`);
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new KeysError(`${path} is not what nats:creds wrote: bring back a copy of it`);
  }
};

export const readSecrets = async (folder: string): Promise<Secrets> => {
  const path = join(folder, SECRETS);
  const secrets = await read(path, secretsSchema);
  if (!secrets) throw new KeysError(`there are no keys in ${folder}: make them with nats:creds init, or name their folder with --keys`);
  if (((await stat(path)).mode & 0o077) !== 0) throw new KeysError(`${path} can be read by others: chmod 600 it`);
  return secrets;
};

export const writeSecrets = async (folder: string, secrets: Secrets): Promise<void> => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  await writePrivate(join(folder, SECRETS), `${JSON.stringify(secrets, null, 2)}\n`);
};

export const hasSecrets = async (folder: string): Promise<boolean> => (await read(join(folder, SECRETS), z.unknown())) !== undefined;

export const readUsers = async (folder: string): Promise<IssuedUser[]> => (await read(join(folder, USERS), z.array(userSchema))) ?? [];

export const writeUsers = (folder: string, users: readonly IssuedUser[]): Promise<void> =>
  writePrivate(join(folder, USERS), `${JSON.stringify(users, null, 2)}\n`);
