/** The life of credentials: issued, used, rotated, revoked, expired. The servers enforce it, whatever the client thinks. */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readUsers } from '#infra/nats/key-folder.ts';
import { type NatsCluster, runNats, setupNatsCluster } from '#test/support/nats-cluster.ts';

const WITHIN = { timeout: 10_000, interval: 50 };

let cluster: NatsCluster;
beforeAll(async () => {
  cluster = await setupNatsCluster({ domains: ['nlp'] });
});
afterAll(() => cluster.stop());

const at = (file: string): string => join(cluster.folder, file);
/** What the server says to whoever comes with the credentials, at last. */
const tries = (id: string, options = {}) =>
  expect.poll(() => cluster.connectAs(id, options).then((connection) => connection.close().then(() => 'in'), String), WITHIN);
const refused = expect.stringContaining('Authorization');
const end = async (connection: NatsConnection): Promise<string> => String((await connection.closed()) ?? 'closed');

test('secrets are for their owner only, and none is printed', async () => {
  const said = await cluster.creds('issue', 'quiet', '--domain', 'nlp', '--out', at('quiet.creds'));
  const modes = await Promise.all(
    ['keys/secrets.json', 'keys/system.creds', 'quiet.creds'].map(async (file) => (await stat(at(file))).mode & 0o777),
  );
  expect(modes).toEqual([0o600, 0o600, 0o600]);
  expect(said).toMatch(/^.*quiet\.creds: agent quiet of nlp, until \d{4}-\d\d-\d\dT[\d:.]+Z$/);
  expect(await cluster.creds('list')).toMatch(/^nlp {2}agent {2}quiet {2}until /);
});

test('revoked credentials are thrown out and never let in again, at every server', async () => {
  await cluster.creds('issue', 'leaver', '--domain', 'nlp', '--out', at('leaver.creds'));
  const connection = await cluster.connectAs('leaver', { server: 1 });
  const ended = end(connection);
  expect(await cluster.creds('revoke', 'leaver')).toContain('pushed 3 accounts');
  expect(await ended).toContain('Revoked');
  for (const server of [0, 1, 2]) await tries('leaver', { server }).toEqual(refused);
  expect(await cluster.creds('list')).toMatch(/leaver {2}revoked /);
});

test('what was revoked stays so when a server starts again with the accounts of its first day', async () => {
  await cluster.restart(2);
  await tries('leaver', { server: 2 }).toEqual(refused);
});

test('rotated credentials work, and those before them do not', async () => {
  await cluster.creds('issue', 'rotor', '--domain', 'nlp', '--agent-name', 'ocr', '--out', at('rotor.creds'));
  const ended = end(await cluster.connectAs('rotor'));
  await cluster.creds('rotate', 'rotor', '--out', at('rotor-2.creds'));
  expect(await ended).toContain('Revoked');
  await tries('rotor').toEqual(refused);
  const connection = await cluster.connectAs('rotor', { creds: 'rotor-2.creds' });
  const heard = connection.subscribe('agents.nlp.ocr.read', { max: 1 });
  connection.publish('agents.nlp.ocr.read');
  expect((await heard[Symbol.asyncIterator]().next()).done).toBe(false);
});

test('rotated credentials hold as long as those before, unless --expires says otherwise', async () => {
  const life = async () => {
    const user = (await readUsers(at('keys'))).filter(({ id }) => id === 'steady').at(-1);
    return user && (user.expires - user.issued) / 86_400;
  };
  await cluster.creds('issue', 'steady', '--domain', 'nlp', '--expires', '365d', '--out', at('steady.creds'));
  await cluster.creds('rotate', 'steady', '--out', at('steady.creds'));
  expect(await life()).toBe(365);
  await cluster.creds('rotate', 'steady', '--expires', '7d', '--out', at('steady.creds'));
  expect(await life()).toBe(7);
});

test('who gets credentials is recorded, however many are issued at a time', async () => {
  const ids = ['p1', 'p2', 'p3', 'p4'];
  const outcomes = await Promise.allSettled(ids.map((id) => cluster.creds('issue', id, '--domain', 'nlp', '--out', at(`${id}.creds`))));
  const issued = ids.filter((_, index) => outcomes[index]?.status === 'fulfilled');
  const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? outcome.reason.message : []));
  const sentence = `another nats:creds is at work in ${at('keys')}: wait, or delete ${at('keys/lock')}`;
  expect((await readUsers(at('keys'))).flatMap(({ id }) => (ids.includes(id) ? id : []))).toEqual(issued);
  expect(refusals).toEqual(Array(4 - issued.length).fill(sentence));
  expect(issued).not.toEqual([]);
});

test('a command that was killed leaves a lock, which another one tells of', async () => {
  await writeFile(at('keys/lock'), '');
  await expect(cluster.creds('list')).rejects.toThrow(/^another nats:creds is at work in .*keys: wait, or delete .*keys\/lock$/);
  await rm(at('keys/lock'));
  expect(await cluster.creds('list')).toContain('quiet');
});

test('credentials that cannot be written are not recorded', async () => {
  const out = at('nowhere/x.creds');
  await expect(cluster.creds('issue', 'homeless', '--domain', 'nlp', '--out', out)).rejects.toThrow(
    `${out} cannot be written (ENOENT): name a file in a folder that is there and that this user may write to`,
  );
  expect(await cluster.creds('list')).not.toContain('homeless');
});

test('expired credentials are thrown out at their time', async () => {
  await cluster.creds('issue', 'brief', '--domain', 'nlp', '--expires', '2s', '--out', at('brief.creds'));
  expect(await end(await cluster.connectAs('brief'))).toMatch(/Expired|Authorization/);
  await tries('brief').toEqual(refused);
});

test('a domain that is added is there for its agents, once it is pushed', async () => {
  await cluster.creds('add-domain', 'vision');
  await cluster.creds('issue', 'late', '--domain', 'vision', '--out', at('late.creds'));
  await tries('late').toEqual(refused);
  expect(await cluster.creds('push')).toContain('pushed 4 accounts');
  await tries('late', { server: 2 }).toBe('in');
});

test('credentials of a domain that was made elsewhere are worth nothing', async () => {
  const elsewhere = at('elsewhere');
  await runNats('creds', ['init', '--domains', 'nlp', '--keys', elsewhere]);
  await runNats('creds', ['issue', 'forged', '--domain', 'nlp', '--keys', elsewhere, '--out', at('forged.creds')]);
  await tries('forged').toEqual(refused);
});

describe('what cannot be is told in a sentence', () => {
  test.each([
    [['issue', 'x y', '--domain', 'nlp'], '"x y" is no id: take letters, digits, _ and -'],
    [['issue', 'x', '--domain', 'nowhere'], 'there is no domain nowhere: make it with nats:creds add-domain nowhere'],
    [['issue', 'x', '--domain', 'constructor'], 'there is no domain constructor: make it with nats:creds add-domain constructor'],
    [['issue', 'x'], '--domain is needed for an agent; without one --role is bridge, operator, provisioner'],
    [['issue', 'x', '--domain', 'nlp', '--role', 'king'], '--role king is none of a domain: take agent, coordinator, supervisor'],
    [['issue', 'x', '--domain', 'nlp'], '--out is needed: the file that the credentials are written to'],
    [['issue', 'x', '--domain', 'nlp', '--out', 'x', '--expires', 'soon'], '--expires "soon" is no time: write 12h or 30d'],
    [['issue', 'quiet', '--domain', 'nlp', '--out', 'x'], 'quiet has credentials already: rotate or revoke them'],
    [['revoke', 'nobody'], 'nobody has no credentials that hold: nothing to revoke'],
    [['add-domain', 'CONTROL'], '"CONTROL" cannot be a domain: take letters, digits, _ and -, and no word of the product'],
    [['init', '--domains', 'nlp'], /keys has keys already: remove it only when no server uses them any more$/],
    [['constructor'], 'say one of init, add-domain, issue, rotate, revoke, push, list: see --help'],
    [['nonsense'], 'say one of init, add-domain, issue, rotate, revoke, push, list: see --help'],
  ])('nats:creds %j', async (args, sentence) => {
    await expect(cluster.creds(...args)).rejects.toThrow(sentence);
  });

  test('no keys', async () => {
    const { code, stderr } = await runNats('config', ['--out', at('x'), '--servers', 'a,b,c', '--keys', at('none')]);
    const sentence = `there are no keys in ${at('none')}: make them with nats:creds init, or name their folder with --keys\n`;
    expect({ code, stderr }).toEqual({ code: 1, stderr: sentence });
  });

  test('servers that are not there, or too few, or named twice', async () => {
    const env = { NATS_URL: 'tls://localhost:1', NATS_CA: cluster.certificates.ca };
    const { stderr } = await runNats('creds', ['push', '--keys', at('keys')], env);
    const { stderr: config } = await runNats('config', ['--out', at('x'), '--servers', 'a,b', '--keys', at('keys')]);
    expect(stderr).toMatch(/^the NATS server at tls:\/\/localhost:1 cannot be used/);
    const { stderr: twice } = await runNats('config', ['--out', at('x'), '--servers', 'a,a,b', '--keys', at('keys')]);
    expect(config.trim()).toBe('--servers names 2: take 3 or 5, so that most of them remain when one is lost');
    expect(twice.trim()).toBe('--servers names a server twice: name each once');
  });
});

test('a server configuration says what production needs, and is for its owner only', async () => {
  const file = at('conf/mistersmith-1.conf');
  const text = await readFile(file, 'utf8');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  for (const line of ['sync_interval: always', 'http: "127.0.0.1:', 'max_payload: 8MB', 'type: full', 'verify: true'])
    expect(text).toContain(line);
});
