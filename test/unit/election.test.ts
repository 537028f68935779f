/** Elections: one leader a term, for a lease, and a new one when it is gone. */
import { describe, expect, it, test } from 'vitest';
import { electionKind, ledBy, tokenOf } from '#functions/election/election.ts';
import { settings } from '#functions/election/settings.ts';
import type { Output } from '#shared/entity/entity.ts';
import { controlElectionResign } from '#shared/messages/control-coordination.ts';
import { electionHeartbeat, electionVote, leaderElection } from '#shared/messages/election.ts';
import { agentDraining, agentStopped } from '#shared/messages/lifecycle.ts';
import type { AnyMessage, Received } from '#shared/messages/message.ts';
import { failure } from '#shared/messages/supervision.ts';
import { received, START } from '#test/support/decide.ts';
import { bodiesOn, electionTable } from '#test/support/election-table.ts';

const LEASE = 15_000;
const SKEW = 1000;
const at = (ms: number) => new Date(START + ms).toISOString();

/** A domain whose time is told in ms since the start. */
const domain = () => {
  const table = electionTable(settings.parse({}));
  const said: Output[] = [];
  const hear = (event: Received<AnyMessage>, ms: number) => {
    const decision = table.tell(event, START + ms);
    said.push(...(decision.publish ?? []));
    return decision;
  };
  const sent = (ms: number, reply?: string) => ({ sentAt: START + ms, ...(reply && { reply }) });
  return {
    ...table,
    said,
    vote: (agent_id: string, ms: number, reply = `inbox.${agent_id}`) =>
      hear(received(electionVote, { domain: 'nlp' }, { agent_id }, sent(ms, reply)), ms),
    beat: (agent_id: string, ms: number, reply?: string) =>
      hear(received(electionHeartbeat, { domain: 'nlp' }, { agent_id }, sent(ms, reply)), ms),
    says: (candidate: string, message_type: string, term: number, ms: number, heardAt = ms) =>
      hear(received(leaderElection, { domain: 'nlp' }, { candidate, message_type, term }, sent(ms)), heardAt),
    stops: (agent_id: string, ms: number, heardAt = ms) => hear(received(agentStopped, { agent_id }, { agent_id }, sent(ms)), heardAt),
    drains: (agent_id: string, ms: number) => hear(received(agentDraining, { agent_id }, { agent_id }, sent(ms)), ms),
    fails: (agent_id: string, failure_type: string, ms: number) =>
      hear(received(failure, { severity: 'high' }, { agent_id, failure_type, severity: 'high' }, sent(ms)), ms),
    resigns: (body: object, ms: number) => hear(received(controlElectionResign, {}, { domain: 'nlp', ...body }, sent(ms)), ms),
    rings: (ms: number, due = table.wakeAt('nlp') ?? 0) => said.push(...(table.ring('nlp', due, START + ms).publish ?? [])),
    leaders: () => bodiesOn(said, '.leader'),
    leader: () => {
      const election = table.election('nlp');
      return election?.phase === 'held' ? `${election.leader} ${election.term}` : null;
    },
  };
};

describe('a vote', () => {
  it('is answered to the first, and silence tells the others that they lost', () => {
    const nlp = domain();
    nlp.vote('a1', 0);
    nlp.vote('a2', 10);
    const lease = { leader: 'a1', term: 1, fencing_token: START, lease_until: at(LEASE - SKEW) };
    expect(nlp.said).toEqual([
      { subject: 'inbox.a1', body: { ...lease, lease_ms: LEASE - SKEW } },
      { subject: 'election.nlp.leader', body: lease },
      {
        subject: 'coordination.election.nlp',
        body: { election_id: 'nlp-1', message_type: 'elected', candidate: 'a1', term: 1, fencing_token: START },
      },
    ]);
  });

  it('that is lost costs no write while the lease is not about to end', () => {
    const nlp = domain();
    nlp.vote('a1', 0);
    for (let n = 2; n <= 200; n++) nlp.vote(`a${n}`, n);
    expect([nlp.writes(), nlp.leader()]).toEqual([1, 'a1 1']);
  });

  it('of the leader itself renews its lease, in the same term', () => {
    const nlp = domain();
    nlp.vote('a1', 0);
    nlp.vote('a1', 4000, 'again');
    expect(nlp.said.at(-1)).toEqual({ subject: 'again', body: expect.objectContaining({ term: 1, lease_until: at(4000 + LEASE - SKEW) }) });
  });

  it('without a reply subject is answered on .vote.resp, if it wins', () => {
    const nlp = domain();
    nlp.vote('a1', 0, '');
    nlp.vote('a2', 0, '');
    const responses = nlp.said.filter(({ subject }) => subject.includes('.vote.resp.'));
    expect(responses).toEqual([
      { subject: 'election.nlp.vote.resp.a1', raw: { encoding: 'utf8', data: expect.stringContaining('"won":true') } },
    ]);
  });

  it('that waits when the lease ends is won then, and the last one who asked waits longest', () => {
    const nlp = domain();
    nlp.vote('a1', 0);
    nlp.vote('a2', LEASE - 900);
    nlp.vote('a3', LEASE - 800);
    nlp.rings(LEASE + 100);
    expect([nlp.leader(), nlp.said.at(-3)]).toEqual(['a3 2', expect.objectContaining({ subject: 'inbox.a3' })]);
  });

  it('that has been given up elects nobody', () => {
    const nlp = domain();
    nlp.vote('a1', 0);
    nlp.vote('a2', LEASE - 900);
    nlp.rings(LEASE + 2000);
    expect([nlp.leader(), nlp.leaders().at(-1)]).toEqual([null, { leader: null, term: 1, fencing_token: START, reason: 'expired' }]);
  });
});

describe('a lease', () => {
  it('is renewed by heartbeats of its leader, and ends three missed ones later', () => {
    const nlp = domain();
    nlp.vote('a1', 0);
    for (const ms of [5000, 10_000, 15_000]) nlp.beat('a1', ms);
    expect(nlp.wakeAt('nlp')).toBe(START + 15_000 + LEASE);
    nlp.rings(29_999, START + 20_000);
    expect(nlp.leader()).toBe('a1 1');
    nlp.rings(30_000);
    expect(nlp.leader()).toBe(null);
  });

  it('is over at its time, whether its alarm rang or not', () => {
    const nlp = domain();
    nlp.vote('a1', 0);
    nlp.vote('a2', LEASE);
    expect([nlp.leader(), nlp.leaders()]).toMatchObject(['a2 2', [{ leader: 'a1' }, { leader: null, term: 1 }, { leader: 'a2', term: 2 }]]);
  });

  it('is told to a leader whose heartbeat asks', () => {
    const nlp = domain();
    nlp.vote('a1', 0);
    nlp.beat('a1', 5000, 'inbox.b');
    expect(nlp.said.at(-1)).toMatchObject({ subject: 'inbox.b', body: { term: 1, lease_ms: LEASE - SKEW } });
  });

  it('that ran out is taken again by its leader under a new term, if nobody else was elected', () => {
    const nlp = domain();
    nlp.vote('a1', 0);
    nlp.rings(LEASE);
    nlp.beat('a2', LEASE + 10);
    nlp.beat('a1', LEASE + 20);
    expect(nlp.leader()).toBe('a1 2');
  });

  it('is not shortened by a clock that went back', () => {
    const nlp = domain();
    nlp.vote('a1', 1000);
    nlp.beat('a1', 0, 'inbox.b');
    expect(nlp.wakeAt('nlp')).toBe(START + 1000 + LEASE);
  });
});

test('who beats without being leader is told who is, once a second at most', () => {
  const nlp = domain();
  nlp.vote('a1', 0);
  for (const ms of [1000, 1500, 2000]) nlp.beat('a2', ms);
  expect(nlp.leaders()).toMatchObject([{ leader: 'a1' }, { leader: 'a1' }, { leader: 'a1' }]);
  expect(nlp.leader()).toBe('a1 1');
});

describe('a hand-over', () => {
  it.each([
    ['stopped', (nlp: ReturnType<typeof domain>) => nlp.stops('a1', 5000)],
    ['crashed', (nlp: ReturnType<typeof domain>) => nlp.fails('a1', 'process_crash', 5000)],
    ['resigned', (nlp: ReturnType<typeof domain>) => nlp.says('a1', 'resign', 1, 5000)],
    ['resigned', (nlp: ReturnType<typeof domain>) => nlp.resigns({ agent_id: 'a1' }, 5000)],
  ])('of a leader that %s is at once', (reason, leave) => {
    const nlp = domain();
    nlp.vote('a1', 0);
    leave(nlp);
    nlp.beat('a1', 5001);
    nlp.vote('a2', 5002);
    expect(nlp.leaders().slice(1)).toMatchObject([
      { leader: null, term: 1, reason },
      { leader: 'a2', term: 2 },
    ]);
  });

  it('of a leader that drains, or that an operator has go, is when its lease is over: until then it counts on it', () => {
    for (const go of ['drains', 'resigns'] as const) {
      const nlp = domain();
      nlp.vote('a1', 0);
      if (go === 'drains') nlp.drains('a1', 5000);
      else nlp.resigns({ by: 'kim' }, 5000);
      nlp.beat('a1', 6000);
      nlp.vote('a1', 6000);
      nlp.vote('a2', 6000);
      expect(nlp.leader()).toBe('a1 1');
      nlp.rings(LEASE);
      nlp.beat('a1', LEASE + 1);
      expect(nlp.leader()).toBe(null);
    }
  });

  it('is not made of what is said of an agent that may still run, or of its earlier life', () => {
    const nlp = domain();
    nlp.vote('a1', 10_000);
    nlp.fails('a1', 'timeout_failure', 12_000);
    nlp.stops('a1', 9000, 12_000);
    nlp.says('a1', 'resign', 0, 9000, 12_000);
    nlp.stops('a2', 12_000);
    expect(nlp.leader()).toBe('a1 1');
    nlp.stops('a1', 12_000);
    expect(nlp.leader()).toBe(null);
  });

  it('is refused to somebody else than the leader, in a sentence', () => {
    const nlp = domain();
    const error = (body: object) => (nlp.resigns(body, 1).reply as { error: object }).error;
    expect(error({})).toEqual({ code: 'not_found', message: 'domain nlp has no leader: nobody can resign' });
    nlp.vote('a1', 0);
    expect(error({ agent_id: 'a2' })).toMatchObject({ code: 'not_leader' });
  });
});

describe('document 000', () => {
  it('stands for a term, and hears on .vote.resp whether it won', () => {
    const nlp = domain();
    nlp.says('a1', 'request_vote', 1, 0);
    nlp.says('a2', 'candidacy', 2, 10);
    const responses = nlp.said
      .filter(({ subject }) => subject.includes('.vote.resp.'))
      .map(({ raw }) => JSON.parse((raw as { data: string }).data));
    expect(responses).toMatchObject([
      { won: true, leader: 'a1', term: 1 },
      { won: false, leader: 'a1', term: 1 },
    ]);
  });

  it('renews by heartbeats of its term, not of an older one, and not by what is older than a lease', () => {
    const nlp = domain();
    nlp.says('a1', 'candidacy', 3, 0);
    nlp.says('a1', 'heartbeat', 2, 5000);
    nlp.says('a1', 'heartbeat', 3, -10_000, 10_000);
    expect(nlp.wakeAt('nlp')).toBe(START + LEASE);
    nlp.says('a1', 'heartbeat', 3, 10_000);
    expect(nlp.wakeAt('nlp')).toBe(START + 10_000 + LEASE);
  });

  it('raises the term: candidates may remember more than the table; a term that is over is lost', () => {
    const nlp = domain();
    nlp.says('a1', 'candidacy', 7, 0);
    nlp.says('a1', 'resign', 7, 10);
    nlp.says('a2', 'candidacy', 7, 20);
    expect(nlp.leader()).toBe(null);
    nlp.says('a2', 'candidacy', 0, 30);
    expect(nlp.leader()).toBe('a2 8');
  });
});

test('a term never goes back: an election does not expire', () => {
  expect(electionKind.expiresAt).toBeUndefined();
});

test('a lease that leaves its leader nothing is refused, in a sentence', () => {
  const { error } = settings.safeParse({ ELECTION_LEASE_MS: '1000', ELECTION_SKEW_MS: '900' });
  expect(error?.issues[0]?.message).toContain('at most half of ELECTION_LEASE_MS');
});

test('a fencing token grows also where a restored table has forgotten a term, and where only terms were kept', () => {
  const token = (nlp: ReturnType<typeof domain>) => nlp.leaders().at(-1)?.fencing_token as number;
  const [lost, restored] = [domain(), domain()];
  lost.vote('a1', 0);
  restored.vote('a2', 60_000);
  expect(token(restored)).toBeGreaterThan(token(lost));
  expect(tokenOf(ledBy({ phase: 'free', term: 2 ** 50, since: 0 }, 'a1', START, settings.parse({})))).toBe(2 ** 50 + 1);
});
