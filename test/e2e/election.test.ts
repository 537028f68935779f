/** Leader election on the wire: clients of document 002, who know of a vote, its answer and a heartbeat; and those of document 000. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 15_000, interval: 20 };
const LEASE = 2000;

let stack: Stack;
const dying: (() => void)[] = [];
beforeAll(async () => {
  stack = await setupStack({ ELECTION_LEASE_MS: String(LEASE), ELECTION_SKEW_MS: '100' });
  // A Lambda that begins takes longer than a candidate waits.
  await leaderOf('none');
});
afterAll(() => {
  for (const die of dying) die();
  return stack.stop();
});

/** As in document 002, but for its pauses: an answer means won, silence means lost; the leader beats. */
const candidate = (domain: string, id: string) => {
  let beating: NodeJS.Timeout | undefined;
  const self = {
    id,
    stand: async (timeout = 1500): Promise<boolean> => {
      try {
        await stack.nc.request(`election.${domain}.vote`, id, { timeout });
      } catch {
        return false;
      }
      stack.nc.publish(`election.${domain}.leader`, id);
      beating = setInterval(() => stack.nc.publish(`election.${domain}.heartbeat`, id), LEASE / 3);
      return true;
    },
    die: () => clearInterval(beating),
  };
  dying.push(self.die);
  return self;
};

/** Asks again where the answer took too long. */
const wins = ({ stand }: ReturnType<typeof candidate>) => expect.poll(() => stand(), { timeout: 4 * LEASE, interval: 10 }).toBe(true);

const ask = async (subject: string, body: unknown = {}) =>
  (await stack.nc.request(subject, JSON.stringify(body), { timeout: 15_000 })).json<Record<string, unknown>>();

const leaderOf = async (domain: string) => (await ask('control.election.show', { domain })).election;

test('of two clients of document 002 one wins, and keeps its lease by its heartbeats; when it dies the other one follows', async () => {
  const said = await collect(stack.nc, 'election.nlp.leader');
  const [one, two] = [candidate('nlp', 'nlp-001'), candidate('nlp', 'nlp-002')];
  const won = await Promise.all([one.stand(), two.stand()]);
  expect(won.toSorted()).toEqual([false, true]);
  const [leader, other] = won[0] ? [one, two] : [two, one];
  const until = Date.now() + 1.5 * LEASE;
  while (Date.now() < until) expect(await other.stand(200)).toBe(false);
  expect(await leaderOf('nlp')).toMatchObject({ leader: leader.id, term: 1, fencing_token: expect.any(Number) });
  leader.die();
  await expect.poll(() => other.stand(1900), { timeout: 2 * LEASE, interval: 10 }).toBe(true);
  const ours = said.map(({ body }) => body).filter((body) => typeof body === 'object');
  expect(ours).toMatchObject([
    { leader: leader.id, term: 1 },
    { leader: null, term: 1, reason: 'expired' },
    { leader: other.id, term: 2 },
  ]);
});

test('a leader that says that it stopped is followed at once', async () => {
  const said = await collect(stack.nc, 'election.vision.leader');
  const one = candidate('vision', 'vision-001');
  const beats = candidate('vision', 'vision-002');
  await wins(one);
  // What is said within the skew of clocks after an election may be of an earlier life.
  await expect
    .poll(async () => {
      await stack.publish('agent.vision-001.stopped', { reason: 'shutdown' });
      return said.some(({ body }) => (body as { reason?: string }).reason === 'stopped');
    }, WITHIN)
    .toBe(true);
  one.die();
  await wins(beats);
  expect(await leaderOf('vision')).toMatchObject({ leader: 'vision-002', term: 2 });
});

test('a leader resigns, and an operator has one go when its lease is over', async () => {
  const one = candidate('ops', 'ops-001');
  await wins(one);
  expect(await ask('control.election.resign', { domain: 'ops', by: 'kim' })).toMatchObject({
    election: { leader: 'ops-001', retiring: true },
  });
  await expect.poll(() => leaderOf('ops'), { timeout: 2 * LEASE, interval: 20 }).toMatchObject({ leader: null, term: 1 });
  one.die();
  await wins(one);
  expect(await ask('control.election.resign', { domain: 'ops', agent_id: 'ops-001' })).toMatchObject({
    election: { leader: null, term: 2 },
  });
  const { elections } = await ask('control.election.list');
  expect(elections).toContainEqual(expect.objectContaining({ domain: 'ops', leader: null }));
});

test('a candidate of document 000 hears whether it won, and the stream keeps who did', async () => {
  const [responses, kept] = await Promise.all([
    collect(stack.nc, 'election.data.vote.resp.*'),
    collect(stack.nc, 'coordination.election.data'),
  ]);
  const stand = (agent: string) =>
    stack.publish('coordination.election.data', {
      LeaderElection: { election_id: 'e1', message_type: 'RequestVote', candidate: agent, term: 1 },
    });
  await stand('data-001');
  await expect.poll(() => responses.map(({ body }) => body), WITHIN).toMatchObject([{ won: true, leader: 'data-001', term: 1 }]);
  await stand('data-002');
  await expect
    .poll(() => responses.at(-1), WITHIN)
    .toMatchObject({ subject: 'election.data.vote.resp.data-002', body: { won: false, leader: 'data-001' } });
  const elected = { election_id: 'data-1', message_type: 'elected', candidate: 'data-001', term: 1 };
  expect(kept.map(({ body }) => body)).toContainEqual(expect.objectContaining(elected));
});

test('a vote that cannot be read is not won: it gets no answer, not even an error', async () => {
  const buried = await collect(stack.nc, 'dlq.election.*.vote');
  expect(await candidate('nobody', 'two words').stand()).toBe(false);
  await expect.poll(() => buried.length, WITHIN).toBe(1);
});
