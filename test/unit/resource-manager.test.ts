/** Leases, queues and deadlocks, as agents see them. */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { type Graph, victimAt } from '#functions/resource-manager/deadlock.ts';
import { resources } from '#functions/resource-manager/decide.ts';
import { holdings } from '#functions/resource-manager/holdings.ts';
import { type Resource, resourceKind } from '#functions/resource-manager/resource.ts';
import { settings } from '#functions/resource-manager/settings.ts';
import { readView } from '#functions/resource-manager/view.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { controlResourceCheck } from '#shared/messages/control-coordination.ts';
import { agentStopped } from '#shared/messages/lifecycle.ts';
import { resource, resourceRequest } from '#shared/messages/resource.ts';
import { failure } from '#shared/messages/supervision.ts';
import { seeded } from '#test/sim/random.ts';
import { drive, received, START } from '#test/support/decide.ts';

const story = (environment: Record<string, string> = {}) => {
  const graph = new Map<string, Resource>();
  const driven = drive(resources, settings.parse(environment), { graph });
  const ask = (what: string, requester: string, resource_id = 'gpu', more: object = {}) => {
    const body = { resource_id, coordination_type: what, requester, ...more };
    const decision = driven.tell(received(resourceRequest, { resource_id }, body, { sentAt: driven.now() }));
    graph.set(resource_id, driven.state(resource_id) as Resource);
    return decision;
  };
  const check = (fencing_token: number) =>
    driven.tell(received(controlResourceCheck, {}, { resource_id: 'gpu', fencing_token }, { sentAt: driven.now() }));
  /** `granted a1`, in order. */
  const said = () =>
    driven
      .bodies('coordination.resources.granted')
      .map(({ status, requester, code }) => [status, requester, code].filter(Boolean).join(' '));
  const last = () => driven.bodies('coordination.resources.granted').at(-1) as Record<string, unknown>;
  return { ...driven, ask, check, said, last, graph };
};

describe('a resource', () => {
  it('is leased for 30 s to the first who asks, with a token', () => {
    const { ask, last } = story();
    ask('acquire', 'a1', 'gpu', { request_id: 'q1' });
    const lease_until = new Date(START + 30_000).toISOString();
    expect(last()).toEqual({ resource_id: 'gpu', requester: 'a1', status: 'granted', request_id: 'q1', fencing_token: START, lease_until });
  });

  it('goes to whoever waits, first come, first served, when it is released', () => {
    const { ask, said } = story();
    for (const agent of ['a1', 'a2', 'a3']) ask('acquire', agent);
    ask('release', 'a1');
    ask('release', 'a2');
    expect(said()).toEqual(['granted a1', 'queued a2', 'queued a3', 'released a1', 'granted a2', 'released a2', 'granted a3']);
  });

  it('goes on when a lease is over, half a second later', () => {
    const { ask, said, until } = story();
    ask('acquire', 'a1', 'gpu', { ttl_ms: 1000 });
    ask('acquire', 'a2');
    until(START + 1499);
    expect(said()).toEqual(['granted a1', 'queued a2']);
    until(START + 1500);
    expect(said().slice(2)).toEqual(['expired a1', 'granted a2']);
  });

  it('stays with a holder that renews, and no lease is longer than an hour', () => {
    const { ask, last, until } = story();
    ask('acquire', 'a1');
    until(START + 29_000);
    ask('renew', 'a1', 'gpu', { ttl_ms: 10 * 3_600_000 });
    expect(last()).toMatchObject({
      status: 'granted',
      fencing_token: START,
      lease_until: new Date(START + 29_000 + 3_600_000).toISOString(),
    });
  });

  it('is held by as many as its capacity says', () => {
    const { ask, said } = story();
    for (const agent of ['a1', 'a2', 'a3']) ask('acquire', agent, 'gpu', { resource_details: { capacity: 2 } });
    expect(said()).toEqual(['granted a1', 'granted a2', 'queued a3']);
  });

  it('refuses another capacity while it is used, and one that is none', () => {
    const { ask, last } = story();
    ask('acquire', 'a1', 'gpu', { resource_details: { capacity: 2 } });
    ask('acquire', 'a2', 'gpu', { resource_details: { capacity: 3 } });
    expect(last()).toMatchObject({
      code: 'capacity_conflict',
      reason: 'gpu has capacity 2, not 3: leave it out, or ask when nobody holds gpu',
    });
    ask('acquire', 'a2', 'disk', { resource_details: { capacity: 0.5 } });
    expect(last()).toMatchObject({ code: 'invalid_capacity' });
  });

  it('is transferred with a new token, past those who wait', () => {
    const { ask, said, last } = story();
    for (const agent of ['a1', 'a2', 'a3']) ask('acquire', agent);
    ask('transfer', 'a1', 'gpu', { transfer_to: 'a3' });
    expect(said().slice(3)).toEqual(['released a1', 'granted a3']);
    expect(last()).toMatchObject({ fencing_token: START + 1 });
  });

  it('is granted to one who waits, by a transfer too, for the request with which it waits', () => {
    const { ask, last } = story();
    ask('acquire', 'a1');
    ask('acquire', 'a2', 'gpu', { request_id: 'q2', ttl_ms: 1000 });
    ask('transfer', 'a1', 'gpu', { transfer_to: 'a2' });
    expect(last()).toMatchObject({ status: 'granted', requester: 'a2', request_id: 'q2', fencing_token: START + 1 });
    ask('acquire', 'a2', 'gpu', { request_id: 'q2' });
    expect(last()).toMatchObject({ status: 'granted', fencing_token: START + 1 });
  });

  it.each([{ fencing_token: START }, { request_id: 'q1' }])('is not released by a release of %j that comes once more, later', (meant) => {
    const { ask, said } = story();
    ask('acquire', 'a1', 'gpu', { request_id: 'q1' });
    ask('release', 'a1', 'gpu', meant);
    ask('acquire', 'a1', 'gpu', { request_id: 'q2' });
    ask('release', 'a1', 'gpu', meant);
    expect(said()).toEqual(['granted a1', 'released a1', 'granted a1', 'refused a1 not_held']);
  });

  it('is waited for on, where a release of an earlier wait comes once more', () => {
    const { ask, said, state } = story();
    ask('acquire', 'a1');
    for (const request_id of ['q1', 'q2']) {
      ask('acquire', 'a2', 'gpu', { request_id });
      ask('release', 'a2', 'gpu', { request_id: 'q1' });
    }
    expect(said()).toEqual(['granted a1', 'queued a2', 'released a2', 'queued a2', 'refused a2 not_held']);
    expect(state('gpu')).toMatchObject({ waiters: [{ agent: 'a2', request: 'q2' }] });
  });

  it.each([
    ['renew', {}, 'not_held', 'agent a2 does not hold gpu: its lease is over, acquire it anew'],
    ['release', { fencing_token: 7 }, 'not_held', 'agent a2 does not hold gpu with token 7: its lease is over, acquire it anew'],
    ['transfer', { transfer_to: 'a3' }, 'not_held', 'agent a2 does not hold gpu: its lease is over, acquire it anew'],
    ['transfer', {}, 'no_receiver', 'the transfer of gpu names nobody: say who gets it in transfer_to'],
  ])('refuses %s %j of who does not hold it: %s', (what, more, code, reason) => {
    const { ask, last } = story();
    ask('acquire', 'a1');
    ask(what, 'a2', 'gpu', more);
    expect(last()).toEqual({ resource_id: 'gpu', requester: 'a2', status: 'refused', code, reason });
  });

  it('answers a repeated request with the same lease, and one of another incarnation with a new token', () => {
    const { ask, last } = story();
    ask('acquire', 'a1', 'gpu', { request_id: 'q1' });
    ask('acquire', 'a1', 'gpu', { request_id: 'q1' });
    expect(last()).toMatchObject({ fencing_token: START });
    ask('acquire', 'a1', 'gpu', { request_id: 'q2' });
    expect(last()).toMatchObject({ request_id: 'q2', fencing_token: START + 1 });
  });

  it('has room for so many who wait, and no more', () => {
    const { ask, said } = story({ RESOURCE_MAX_WAITERS: '1' });
    for (const agent of ['a1', 'a2', 'a3']) ask('acquire', agent);
    expect(said()).toEqual(['granted a1', 'queued a2', 'refused a3 queue_full']);
  });

  it('has a type where it was asked for by type', () => {
    const { tell, state } = story();
    tell(received(resource, { resource_type: 'gpu' }, { resource_id: 'gpu-1', coordination_type: 'acquire', requester: 'a1' }));
    expect(state('gpu-1')).toMatchObject({ type: 'gpu', holders: [{ agent: 'a1' }] });
  });

  it('that was forgotten goes on with larger tokens', () => {
    const idle = { capacity: 1, token: START, holders: [], waiters: [], at: START };
    const forgottenAt = resourceKind.expiresAt?.(idle) as number;
    const { ask, until, last } = story();
    until(forgottenAt);
    ask('acquire', 'a1');
    expect(last().fencing_token).toBeGreaterThan(START);
    expect(resourceKind.expiresAt?.({ ...idle, holders: [{ agent: 'a1', ttl: 1, heardAt: 0, token: 1, until: 1 }] })).toBeUndefined();
  });
});

describe('a token', () => {
  it('stands while its lease does, and never again', () => {
    const { ask, check, until } = story();
    ask('acquire', 'a1', 'gpu', { ttl_ms: 1000 });
    expect(check(START)).toMatchObject({ reply: { body: { current: true, newest: START } } });
    until(START + 1500);
    ask('acquire', 'a2');
    expect(check(START)).toMatchObject({ reply: { body: { current: false, newest: START + 1500 } } });
  });

  it('that does not stand by one clock does not stand again by a slower one, however many leases are over at once', () => {
    const { ask, state } = story();
    for (let n = 0; n < 40; n++) ask('acquire', `a${n}`, 'gpu', { ttl_ms: 1000, resource_details: { capacity: 40 } });
    const checkAt = (fencing_token: number, now: number, resource: Resource) => {
      const event = received(controlResourceCheck, {}, { resource_id: 'gpu', fencing_token });
      const context = { now, id: 'gpu', settings: settings.parse({}), also: () => undefined, view: { graph: new Map() } } as never;
      const { reply, state } = resources.decide(resource, event, context) as { reply: { body: { current: boolean } }; state?: Resource };
      return { isCurrent: reply.body.current, after: state ?? resource };
    };
    for (let token = START; token < START + 40; token++) {
      const { isCurrent, after } = checkAt(token, START + 1500, state('gpu') as Resource);
      expect(isCurrent || !checkAt(token, START + 1400, after).isCurrent).toBe(true);
    }
  });

  it('that nobody was given does not stand', () => {
    expect(story().check(7)).toMatchObject({ reply: { body: { resource_id: 'gpu', fencing_token: 7, current: false, newest: 0 } } });
  });
});

describe('an agent that is gone', () => {
  const held = (event: Parameters<typeof holdings.decide>[1]) =>
    (
      holdings.decide({ holds: { gpu: 7 }, waits: { disk: START }, at: START }, event, { id: 'a1' } as never) as {
        publish?: { body: object }[];
      }
    ).publish?.map(({ body }) => body);
  const release = { coordination_type: 'release', requester: 'a1', gone_at: new Date(START).toISOString() };
  const both = [
    { resource_id: 'gpu', fencing_token: 7, ...release },
    { resource_id: 'disk', ...release },
  ];
  const failed = (failure_type: string, severity: string) => received(failure, { severity }, { agent_id: 'a1', failure_type, severity });

  it('loses its leases and its places, when it stopped, crashed or timed out', () => {
    expect(held(received(agentStopped, { agent_id: 'a1' }, { agent_id: 'a1' }))).toEqual(both);
    expect(held(failed('process_crash', 'low'))).toEqual(both);
    expect(held(failed('timeout_failure', 'high'))).toEqual(both);
    expect(held(failed('memory_leak', 'critical'))).toBeUndefined();
  });

  it('is followed at once by the next, and what it asked for since then stays', () => {
    const { ask, said, now } = story();
    ask('acquire', 'a1');
    ask('acquire', 'a2');
    const before = new Date(now() - 1).toISOString();
    ask('release', 'a1', 'gpu', { gone_at: before });
    expect(said()).toEqual(['granted a1', 'queued a2']);
    ask('release', 'a1', 'gpu', { gone_at: new Date(now()).toISOString() });
    expect(said().slice(2)).toEqual(['released a1 gone', 'granted a2']);
  });
});

describe('a deadlock', () => {
  it('is refused to the one whose wait would close the circle', () => {
    const { ask, last } = story();
    ask('acquire', 'a1', 'r1');
    ask('acquire', 'a2', 'r2');
    ask('acquire', 'a1', 'r2');
    ask('acquire', 'a2', 'r1');
    expect(last()).toMatchObject({ requester: 'a2', status: 'refused', code: 'deadlock' });
    expect(last().reason).toBe(
      'agent a2 would wait for r1 for ever (a2 waits for r1, a1 waits for r2): release what it holds and try again',
    );
  });

  it('that two began at the same time is seen a second later, at the expense of the younger', () => {
    const { ask, graph, said, state, until } = story();
    ask('acquire', 'a1', 'r1');
    ask('acquire', 'a2', 'r2');
    ask('acquire', 'a1', 'r2');
    graph.clear();
    ask('acquire', 'a2', 'r1');
    for (const id of ['r1', 'r2']) graph.set(id, state(id) as Resource);
    expect(said()).toHaveLength(4);
    until(START + 1000);
    expect(said().slice(4)).toEqual(['refused a2 deadlock']);
  });

  it('that a transfer would close is refused to who transfers', () => {
    const { ask, last } = story();
    ask('acquire', 'a1', 'r1');
    ask('acquire', 'a2', 'r2');
    ask('acquire', 'a2', 'r1');
    ask('acquire', 'a3', 'r2');
    ask('transfer', 'a1', 'r1', { transfer_to: 'a3' });
    const reason = 'with a3 holding r1 nobody could go on (a2 waits for r1, a3 waits for r2): release it instead';
    expect(last()).toEqual({ resource_id: 'r1', requester: 'a1', status: 'refused', code: 'deadlock', reason });
    ask('transfer', 'a1', 'r1', { transfer_to: 'a4' });
    expect(last()).toMatchObject({ status: 'granted', requester: 'a4' });
  });

  it('is none while one of several units can still be released', () => {
    const { ask, said } = story();
    const two = { resource_details: { capacity: 2 } };
    ask('acquire', 'a1', 'r1', two);
    ask('acquire', 'a3', 'r1', two);
    ask('acquire', 'a2', 'r2');
    ask('acquire', 'a1', 'r2');
    ask('acquire', 'a2', 'r1');
    expect(said().at(-1)).toBe('queued a2');
  });

  /** Whoever waits for nothing ends, and what it held goes to the first in the queue; who is left is stuck. */
  const stuckBySimulation = (graph: Graph): Set<string> => {
    const left = new Map(
      [...graph].map(([id, { capacity, holders, waiters }]) => [
        id,
        { capacity, holders: holders.map((h) => h.agent), waiters: waiters.map((w) => w.agent) },
      ]),
    );
    for (let changed = true; changed; ) {
      changed = false;
      const waiting = new Set([...left.values()].flatMap(({ waiters }) => waiters));
      for (const one of left.values()) {
        const before = one.holders.length;
        one.holders = one.holders.filter((agent) => waiting.has(agent));
        while (one.waiters.length > 0 && one.holders.length < one.capacity) one.holders.push(one.waiters.shift() as string);
        changed ||= one.holders.length !== before || waiting.size !== new Set([...left.values()].flatMap(({ waiters }) => waiters)).size;
      }
    }
    return new Set([...left.values()].flatMap(({ waiters }) => waiters));
  };

  const graphOf = (seed: number): Graph => {
    const random = seeded(seed);
    const agents = Array.from({ length: random.between(2, 5) }, (_, n) => `a${n}`);
    return new Map(
      Array.from({ length: random.between(1, 4) }, (_, n) => {
        const shuffled = agents.toSorted(() => random() - 0.5);
        const capacity = random.between(1, 2);
        const place = (agent: string) => ({ agent, ttl: 1, heardAt: 0 });
        const holders = shuffled.slice(0, capacity).map((agent) => ({ ...place(agent), token: 1, until: 1 }));
        const waiters = shuffled
          .slice(capacity, random.between(0, agents.length))
          .map((agent) => ({ ...place(agent), since: random.between(0, 9) }));
        return [`r${n}`, { capacity, holders, waiters }];
      }),
    );
  };

  test('is found exactly where a simulation of all that can happen gets stuck, and its victims end it', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const graph = new Map(graphOf(seed));
        const isStuck = stuckBySimulation(graph).size > 0;
        const victimNow = () => [...graph.keys()].flatMap((id) => victimAt(graph, id)?.agent.concat(' ', id) ?? [])[0];
        expect(victimNow() !== undefined).toBe(isStuck);
        for (let victim = victimNow(); victim !== undefined; victim = victimNow()) {
          const [agent, id] = victim.split(' ') as [string, string];
          const one = graph.get(id) as Resource;
          graph.set(id, { ...one, waiters: one.waiters.filter((waiter) => waiter.agent !== agent) });
        }
        expect(stuckBySimulation(graph)).toEqual(new Set());
      }),
      { numRuns: 2000 },
    );
  });

  test('over many agents is read edge by edge, and only for who holds something', async () => {
    const { ask, stateOf } = story();
    for (let n = 0; n < 10; n++) ask('acquire', `a${n}`, `r${n}`);
    for (let n = 0; n < 9; n++) ask('acquire', `a${n}`, `r${n + 1}`);
    const load: Reader['load'] = async (kind, ids) =>
      new Map(ids.flatMap((id) => (stateOf(`${kind.kind}#${id}`) === undefined ? [] : [[id, stateOf(`${kind.kind}#${id}`) as never]])));
    const acquire = (requester: string) =>
      received(resourceRequest, { resource_id: 'r0' }, { resource_id: 'r0', coordination_type: 'acquire', requester });
    const read = async (requester: string) => (await readView([acquire(requester)], { load } as Reader)).graph;
    expect([...(await read('a9')).keys()].sort()).toEqual(Array.from({ length: 10 }, (_, n) => `r${n}`));
    expect([...(await read('stranger')).keys()]).toEqual([]);
    const transfer = (transfer_to: string) =>
      received(resourceRequest, { resource_id: 'r9' }, { resource_id: 'r9', coordination_type: 'transfer', requester: 'a9', transfer_to });
    const seen = async (to: string) => (await readView([transfer(to)], { load } as Reader)).graph;
    expect([...(await seen('a7')).keys()].sort()).toEqual(['r8', 'r9']);
    expect([...(await seen('stranger')).keys()]).toEqual([]);
  });
});

test('while nothing changes nothing is written', () => {
  const { ask, ring, writes } = story();
  ask('acquire', 'a1');
  const before = writes();
  ring('gpu');
  expect(writes()).toBe(before);
});
