/** `npm run nats:creds -- <verb>`: keys, credentials and accounts of operator mode. Secrets go into files, never to stdout. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isToken } from '#shared/subjects.ts';
import { readManifest } from '../bridge/manifest/read-manifest.ts';
import type { Environment } from '../settings.ts';
import { CONTROL } from './accounts.ts';
import { accountClaims, systemCreds, userCreds } from './claims.ts';
import { runCommand } from './command.ts';
import {
  alone,
  CONTROL_ROLES,
  DEFAULT_FOLDER,
  DOMAIN_ROLES,
  hasSecrets,
  type IssuedUser,
  KeysError,
  newSecrets,
  type Role,
  readSecrets,
  readUsers,
  type Secrets,
  withDomain,
  writePrivate,
  writeSecrets,
  writeUsers,
} from './key-folder.ts';
import { pushAccounts } from './push-accounts.ts';

const HELP = `npm run nats:creds -- <verb>

  init --domains nlp,vision          makes the keys of operator, accounts and roles (--name: of the cluster, mistersmith)
  add-domain <domain>                one account more; then push
  issue <id> --domain nlp --out f    credentials for an agent
  issue <id> --role bridge --out f   ... for the bridge, an operator or the provisioner (nats:apply), in the account ${CONTROL}
  rotate <id> --out f                new credentials of the same kind and life; those it had are revoked
  revoke <id>                        its credentials are refused from now on, and its connections closed
  push                               the accounts as they are now: after add-domain, and when serverless.yml changed
  list                               who has credentials, and until when

  --role     in a domain agent, coordinator, supervisor (agent); else bridge, operator, provisioner
  --agent-name
             the agent's name in agents.<domain>.<name>.<action> (its id)
  --expires  how long they hold: 12h, 30d (30d; rotate: as long as those before)
  --keys     the folder of the keys (${DEFAULT_FOLDER}): keep it as you keep any root password
  --manifest the file that declares the functions (serverless.yml)

push, rotate and revoke talk to the servers at NATS_URL (NATS_CA, NATS_CERT, NATS_KEY).`;

const options = {
  domains: { type: 'string', default: '' },
  name: { type: 'string', default: 'mistersmith' },
  domain: { type: 'string' },
  role: { type: 'string' },
  'agent-name': { type: 'string' },
  expires: { type: 'string' },
  out: { type: 'string' },
  keys: { type: 'string', default: DEFAULT_FOLDER },
  manifest: { type: 'string', default: 'serverless.yml' },
} as const;

const parse = (args: string[]) => parseArgs({ args, options, allowPositionals: true });
type Given = ReturnType<typeof parse>['values'] & {
  folder: string;
  subject: string;
  environment: Environment;
  say: (line: string) => void;
};

const seconds = (): number => Math.floor(Date.now() / 1000);
const iso = (time: number): string => new Date(time * 1000).toISOString();

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 };
const LIFE = 30 * SECONDS.d;

const lifeOf = (text: string): number => {
  const [, count, unit] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  if (!count) throw new KeysError(`--expires ${JSON.stringify(text)} is no time: write 12h or 30d`);
  return Number(count) * SECONDS[unit as keyof typeof SECONDS];
};

const idOf = ({ subject }: Given): string => {
  if (!isToken(subject)) throw new KeysError(`${JSON.stringify(subject)} is no id: take letters, digits, _ and -`);
  return subject;
};

const outOf = ({ out }: Given): string => {
  if (!out) throw new KeysError('--out is needed: the file that the credentials are written to');
  return out;
};

const listed = (text: string): string[] => text.split(',').filter(Boolean);

/** The account and the role that the options name. */
const placeOf = ({ domain, role }: Given, { accounts }: Secrets): { account: string; role: Role } => {
  const wanted = role ?? (domain ? 'agent' : '');
  const roles: readonly string[] = domain ? DOMAIN_ROLES : CONTROL_ROLES;
  if (!roles.includes(wanted))
    throw new KeysError(
      domain
        ? `--role ${wanted} is none of a domain: take ${DOMAIN_ROLES.join(', ')}`
        : `--domain is needed for an agent; without one --role is ${CONTROL_ROLES.join(', ')}`,
    );
  const account = domain ?? CONTROL;
  if (!Object.hasOwn(accounts, account))
    throw new KeysError(`there is no domain ${account}: make it with nats:creds add-domain ${account}`);
  return { account, role: wanted as Role };
};

const isValid = ({ revoked, expires }: IssuedUser): boolean => !revoked && expires > seconds();
/** Ids are unique in the fleet: assignments and commands find an agent by its id alone. */
const held = (users: readonly IssuedUser[], id: string): IssuedUser[] => users.filter((user) => user.id === id && isValid(user));

const push = async ({ folder, manifest, environment, say }: Given, users: readonly IssuedUser[]): Promise<void> => {
  const secrets = await readSecrets(folder);
  const claims = await accountClaims(secrets, await readManifest(manifest), users);
  await pushAccounts({ ...environment, NATS_CREDS: join(folder, 'system.creds') }, claims);
  say(`pushed ${claims.length} accounts`);
};

/** After something was revoked. */
const tell = async (given: Given, users: readonly IssuedUser[]): Promise<void> => {
  await push(given, users).catch((cause: Error) => {
    throw new KeysError(`the servers still let ${given.subject} in (${cause.message}): run nats:creds push once they are there`, { cause });
  });
};

/** Expired ones are refused without being named. */
const keep = (folder: string, users: readonly IssuedUser[]): Promise<void> =>
  writeUsers(
    folder,
    users.filter(({ expires }) => expires > seconds()),
  );

type Wanted = Omit<IssuedUser, 'key' | 'issued' | 'expires'>;

/**
 * Makes credentials that hold for `life` seconds unless --expires says otherwise, and answers the users with them. They are
 * recorded before their file is there: what is not recorded cannot be revoked.
 */
const write = async (given: Given, users: readonly IssuedUser[], wanted: Wanted, life: number): Promise<IssuedUser[]> => {
  const issued = seconds();
  const expires = issued + (given.expires === undefined ? life : lifeOf(given.expires));
  const { creds, user } = await userCreds(await readSecrets(given.folder), { ...wanted, issued, expires });
  const next = [...users, user];
  await writePrivate(outOf(given), creds, () => keep(given.folder, next));
  given.say(`${given.out}: ${user.role} ${user.id} of ${user.account}, until ${iso(user.expires)}`);
  return next;
};

const revoke = (users: readonly IssuedUser[], revoked: readonly IssuedUser[]): IssuedUser[] =>
  users.map((user) => (revoked.includes(user) ? { ...user, revoked: seconds() } : user));

const verbs: Record<string, (given: Given) => Promise<void>> = {
  init: async ({ folder, domains, name, say }) => {
    if (await hasSecrets(folder)) throw new KeysError(`${folder} has keys already: remove it only when no server uses them any more`);
    const secrets = newSecrets(name, listed(domains));
    await writeSecrets(folder, secrets);
    await writePrivate(join(folder, 'system.creds'), await systemCreds(secrets));
    say(`${folder}: keys of ${name} and ${Object.keys(secrets.accounts).length + 1} accounts`);
  },
  'add-domain': async ({ folder, subject, say }) => {
    await writeSecrets(folder, withDomain(await readSecrets(folder), subject));
    say(`the domain ${subject} is there: push the accounts now`);
  },
  issue: async (given) => {
    const id = idOf(given);
    const place = placeOf(given, await readSecrets(given.folder));
    outOf(given);
    const users = await readUsers(given.folder);
    if (held(users, id).length > 0) throw new KeysError(`${id} has credentials already: rotate or revoke them`);
    const name = given.domain ? (given['agent-name'] ?? id) : undefined;
    if (name && !isToken(name)) throw new KeysError(`--agent-name ${JSON.stringify(name)} is no token: take letters, digits, _ and -`);
    await write(given, users, { id, ...place, ...(name && { name }) }, LIFE);
  },
  rotate: async (given) => {
    const users = await readUsers(given.folder);
    const [one, ...more] = held(users, idOf(given)).reverse();
    if (!one) throw new KeysError(`${given.subject} has no credentials that hold: issue new ones`);
    const { id, account, role, name, issued, expires } = one;
    const wanted = { id, account, role, ...(name && { name }) };
    await tell(given, await write(given, revoke(users, [one, ...more]), wanted, expires - issued));
  },
  revoke: async (given) => {
    const users = await readUsers(given.folder);
    const theirs = held(users, idOf(given));
    if (theirs.length === 0) throw new KeysError(`${given.subject} has no credentials that hold: nothing to revoke`);
    const next = revoke(users, theirs);
    await keep(given.folder, next);
    await tell(given, next);
  },
  push: async (given) => push(given, await readUsers(given.folder)),
  list: async ({ folder, say }) => {
    for (const user of await readUsers(folder))
      say([user.account, user.role, user.id, user.revoked ? `revoked ${iso(user.revoked)}` : `until ${iso(user.expires)}`].join('  '));
  },
};

/** Rejects with an error of one sentence. */
export const manageCreds = async (args: string[], say: (line: string) => void, environment: Environment = process.env): Promise<void> => {
  const { values, positionals } = parse(args);
  const [verb = '', subject = '', ...rest] = positionals;
  const act = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  if (!act || rest.length > 0) throw new KeysError(`say one of ${Object.keys(verbs).join(', ')}: see --help`);
  await alone(values.keys, () => act({ ...values, folder: values.keys, subject, say, environment }));
};

if (import.meta.main) await runCommand(HELP, manageCreds);
