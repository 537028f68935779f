/** Function router: policies of operators, the memory of `route.<subject>`, and explanations. */
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { turns } from '#functions/router/decide.ts';
import { policies } from '#functions/router/policies.ts';
import { explain, list } from '#functions/router/queries.ts';
import { remembered } from '#functions/router/turns.ts';
import type { View } from '#functions/router/view.ts';
import { newCircuit } from '#shared/circuit/circuit.ts';
import { controlRoutingExplain, controlRoutingList, controlRoutingRemove, controlRoutingSet } from '#shared/messages/control-routing.ts';
import { route } from '#shared/messages/routing.ts';
import type { Policy } from '#shared/messages/routing-policy.ts';
import type { Agent } from '#shared/registry/agent.ts';
import { policyFor, ROUTING, type Routing } from '#shared/routing/policies.ts';
import { matchesFilter } from '#shared/subjects.ts';
import { drive, received, START } from '#test/support/decide.ts';

const agent = (agent_id: string, more: Partial<Agent> = {}): Agent => ({
  profile: { agent_id, domain: 'nlp', name: 'sum', capabilities: ['sum'], max_concurrent_tasks: 5, metadata: {} },
  lifecycle: 'active',
  since: START,
  lastSeen: START,
  responsive: true,
  status: 'ready',
  load: 0,
  activeTasks: 0,
  ...more,
});

const viewOf = (agents: readonly Agent[], set: Record<string, Policy> = {}, more: Partial<View> = {}): View => ({
  routing: { policies: Object.entries(set).map(([pattern, policy]) => ({ pattern, policy, by: 'kim', at: START })) },
  fleet: { agents: new Map(agents.map((one) => [one.profile.agent_id, one])), slots: new Map(), circuits: new Map(), able: new Map() },
  loads: new Map(),
  roles: new Map(),
  ...more,
});

const fleet = ['a1', 'a2', 'a3'].map((id) => agent(id));

const router = (view: View) => {
  const driven = drive(turns, {}, view);
  const ask = (subject: string, body: object = {}, reply = '_INBOX.1') => {
    const decision = driven.tell(received(route, { subject }, body, { sentAt: driven.now(), reply }));
    return (decision as unknown as { reply: { body: { targets: string[]; why: string; policy: string } } }).reply.body;
  };
  return { ...driven, ask, choose: (subject: string, body: object = {}) => ask(subject, body).targets.join() };
};

describe('route', () => {
  it('answers who, why, and by which policy', () => {
    expect(router(viewOf(fleet)).ask('work.nlp.high.sum', { capabilities: ['sum'] })).toEqual({
      targets: ['a1'],
      why: 'a1, for it has the smallest share of its capacity in use, 0 of 5; 3 of 3 agents could take it',
      policy: 'load_based',
    });
  });

  it('lets equals take turns, for nobody says how long a message keeps its receiver busy', () => {
    const { choose } = router(viewOf(fleet));
    expect(Array.from({ length: 5 }, () => choose('x'))).toEqual(['a1', 'a2', 'a3', 'a1', 'a2']);
  });

  it.each([
    ['work.nlp.critical.sum', {}, 'a3'],
    ['work.nlp.critical.sum', { priority: 'low' }, 'a1'],
    ['work.nlp.normal.sum', {}, 'a1'],
    ['other.nlp.critical.sum', {}, 'a1'],
    ['other.nlp.critical.sum', { priority: 'high' }, 'a3'],
  ])('%s with %o has the priority that it says, or its subject as work', (subject, said, chosen) => {
    const view = viewOf(fleet, { '>': { type: 'priority_based', high_priority_targets: ['a3'] } });
    expect(router(view).choose(subject, said)).toBe(chosen);
  });

  it('remembers turns by subject', () => {
    const { choose } = router(viewOf(fleet, { '>': { type: 'round_robin' } }));
    expect([choose('x'), choose('y'), choose('x'), choose('y')]).toEqual(['a1', 'a1', 'a2', 'a2']);
  });

  it('remembers the turns of those who may have several in a round', () => {
    const sized = fleet.map((one, n) => ({ ...one, profile: { ...one.profile, max_concurrent_tasks: n + 1 } }));
    const { choose } = router(viewOf(sized, { x: { type: 'load_based', balancer: 'weighted_round_robin' } }));
    const round = Array.from({ length: 6 }, () => choose('x'));
    expect(round.toSorted()).toEqual(['a1', 'a2', 'a2', 'a3', 'a3', 'a3']);
  });

  it('answers as many as are wanted, which are next in turn after all others', () => {
    const { choose } = router(viewOf(fleet));
    expect([choose('x', { count: 2 }), choose('x', { count: 2 })]).toEqual(['a1,a2', 'a3,a1']);
  });

  it('writes nothing where two are drawn, and draws the same for the same key', () => {
    const { ask, writes } = router(viewOf(fleet, { '>': { type: 'load_based', balancer: 'power_of_two_choices' } }));
    const drawn = Array.from({ length: 20 }, (_, n) => ask('x', { key: 'k7' }, `_INBOX.${n}`).targets[0]);
    expect([new Set(drawn).size, writes()]).toEqual([1, 0]);
  });

  it('answers nobody, and why, and writes nothing', () => {
    const { ask, writes } = router(viewOf(fleet.map((one) => ({ ...one, responsive: false }))));
    expect(ask('x')).toEqual({ targets: [], why: 'none of 3 agents can take it now: 3 not healthy', policy: 'load_based' });
    expect(writes()).toBe(0);
  });

  it('takes the instances of a role, and nobody else', () => {
    const { choose } = router(viewOf(fleet, {}, { roles: new Map([['agents.nlp.sum.do', ['a2']]]) }));
    expect([choose('agents.nlp.sum.do'), choose('agents.nlp.sum.do')]).toEqual(['a2', 'a2']);
  });

  it('knows how an agent does from its metrics, unless they are old, and from how its tasks went', () => {
    const figure = (value: number, at = START) => ({ value, at });
    const loads = new Map([
      ['a1', { responseTimeMs: figure(50) }],
      ['a2', { responseTimeMs: figure(1, START - 3_600_000) }],
      ['a3', { responseTimeMs: figure(1) }],
    ]);
    const circuits = new Map([['a3', { ...newCircuit(START), response: { ms: 100, at: START } }]]);
    const known = viewOf(fleet, { '>': { type: 'load_based', balancer: 'response_time' } });
    const { ask } = router({ ...known, loads, fleet: { ...known.fleet, circuits } });
    expect(ask('x', { count: 3 }).targets).toEqual(['a1', 'a2', 'a3']);
  });

  test('what is remembered of a subject is bounded, and whoever is forgotten comes next', () => {
    const chosen = Array.from({ length: 700 }, (_, n) => ({ id: `a${n}` }));
    const after = chosen.reduce<ReturnType<typeof remembered> | undefined>((known, one) => remembered(known, [one], START), undefined);
    expect(Object.keys(after?.turns ?? {}).sort()).toEqual(
      chosen
        .slice(200)
        .map(({ id }) => id)
        .sort(),
    );
  });
});

describe('an explanation', () => {
  const asked = (view: View, body: object) => explain.answer({ turns: undefined, view }, received(controlRoutingExplain, {}, body), START);

  it('is the decision itself, told in full', () => {
    const mixed = [...fleet, agent('a0', { lifecycle: 'draining' })];
    const view = viewOf(mixed, { 'work.*.>': { type: 'capability_based', preference_order: ['a2'] } });
    const subject = 'work.nlp.high.sum';
    expect(asked(view, { subject })).toEqual({
      body: {
        subject,
        ...router(view).ask(subject),
        policy: {
          pattern: 'work.*.>',
          policy: { type: 'capability_based', preference_order: ['a2'] },
          by: 'kim',
          at: '2026-01-01T00:00:00.000Z',
        },
        candidates: 4,
        eligible: 3,
        left: [{ agent_id: 'a0', why: 'it is not healthy' }],
        left_by_reason: { unhealthy: 1 },
      },
    });
  });

  it('says whom the policy names and nobody knows', () => {
    const view = viewOf(fleet, { x: { type: 'round_robin', targets: ['a3', 'a33'] } });
    expect(asked(view, { subject: 'x' })).toMatchObject({ body: { targets: ['a3'], unknown: ['a33'] } });
  });

  it('is of a subject, not of the asking for it', () => {
    const { error } = controlRoutingExplain.body.safeParse({ subject: 'route.work.nlp.high.sum' });
    expect(error?.issues[0]).toMatchObject({ path: ['subject'], message: expect.stringContaining('must not begin with route.') });
  });

  it('is of tasks where no subject is named', () => {
    const view = viewOf(fleet, { 'coordination.tasks.>': { type: 'round_robin', targets: ['a3'] } });
    expect(asked(view, { capabilities: ['sum'] })).toMatchObject({ body: { subject: 'coordination.tasks.assignment', targets: ['a3'] } });
  });
});

describe('policies', () => {
  const operator = () => {
    const driven = drive(policies, {}, undefined);
    const said = (decision: unknown) => (decision as { reply: { body?: unknown; error?: { code: string } } }).reply;
    const set = (pattern: string, policy: unknown, by = 'kim') =>
      said(driven.tell(received(controlRoutingSet, {}, { pattern, policy, by }, { sentAt: driven.now() })));
    const remove = (pattern: string) => said(driven.tell(received(controlRoutingRemove, {}, { pattern }, { sentAt: driven.now() })));
    const listed = () => list.answer(driven.state(ROUTING), received(controlRoutingList, {}, {}), START);
    return { ...driven, set, remove, listed };
  };
  const policy: Policy = { type: 'round_robin' };

  it('are set, replaced, listed and removed', () => {
    const { set, remove, listed } = operator();
    const entry = { pattern: 'b.*', policy, by: 'kim', at: '2026-01-01T00:00:00.000Z' };
    expect(set('b.*', { type: 'load_based' })).toMatchObject({ body: { policy: { policy: { type: 'load_based' } } } });
    expect(set('b.*', policy)).toEqual({ body: { policy: entry } });
    set('a.>', policy);
    expect(listed()).toEqual({ body: { policies: [{ ...entry, pattern: 'a.>' }, entry], default: { type: 'load_based' } } });
    expect(remove('b.*')).toEqual({ body: { policy: entry } });
    expect(remove('b.*')).toMatchObject({ error: { code: 'not_found' } });
  });

  it('that are set again as they are cost no write', () => {
    const { set, writes } = operator();
    set('a.>', policy);
    const before = writes();
    set('a.>', { ...policy });
    expect(writes()).toBe(before);
  });

  it('are two hundred at most, and fit an item', () => {
    const { set } = operator();
    const named = { type: 'round_robin', targets: Array.from({ length: 500 }, (_, n) => `an-agent-with-a-long-name-${n}`) };
    const answers = Array.from({ length: 30 }, (_, n) => set(`big.${n}`, named));
    expect(answers.at(-1)).toMatchObject({ error: { code: 'too_large' } });
    const others = operator();
    for (let n = 0; n < 200; n++) others.set(`p.${n}`, policy);
    expect(others.set('p.200', policy)).toMatchObject({ error: { code: 'too_many' } });
  });

  it.each([
    ['a..b', policy, 'pattern'],
    ['a.>.b', policy, 'pattern'],
    ['a.b*', policy, 'pattern'],
    ['', policy, 'pattern'],
    ['route.work.>', policy, 'pattern'],
    ['a', { type: 'fastest' }, 'policy'],
    ['a', { type: 'load_based', weight_factor: 0 }, 'weight_factor'],
    ['a', { type: 'load_based', weight_faktor: 1 }, 'policy'],
    ['a', { type: 'load_based', balancer: 'random' }, 'balancer'],
    ['a', { type: 'load_based', balancer: { hybrid: {} } }, 'balancer'],
    ['a', { type: 'load_based', balancer: { hybrid: { cpu_usage: 0 } } }, 'balancer'],
    ['a', { type: 'topology_aware' }, 'preferred_zones'],
    ['a', { type: 'priority_based', high_priority_targets: ['a.b'] }, 'high_priority_targets'],
  ])('with pattern %j and policy %j are refused', (pattern, wrong, where) => {
    const { error } = controlRoutingSet.body.safeParse({ pattern, policy: wrong, by: 'kim' });
    expect(error?.issues[0]?.path).toContain(where);
  });
});

describe('the policy of a subject', () => {
  const routing = (...patterns: string[]): Routing => ({
    policies: patterns.map((pattern) => ({ pattern, policy: { type: 'round_robin' }, by: 'kim', at: 0 })),
  });

  it.each([
    [['>', 'a.>', 'a.*', 'a.b'], 'a.b', 'a.b'],
    [['>', 'a.>', 'a.*'], 'a.b', 'a.*'],
    [['>', 'a.>'], 'a.b', 'a.>'],
    [['a.*.c', 'a.b.*'], 'a.b.c', 'a.b.*'],
    [['*.b.c', 'a.>'], 'a.b.c', 'a.>'],
    [['a.b.c'], 'a.b', undefined],
  ])('of %j for %s is the most specific', (patterns, subject, pattern) => {
    expect(policyFor(routing(...patterns), subject)?.pattern).toBe(pattern);
    expect(policyFor(routing(...patterns.toReversed()), subject)?.pattern).toBe(pattern);
  });

  test('is one that matches, if any does, and in whatever order they were set', () => {
    const tokens = fc.array(fc.constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 4 });
    const pattern = fc.tuple(tokens, fc.boolean()).map(([some, open]) => [...some, ...(open ? ['>'] : [])].join('.'));
    const subject = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 5 }).map((some) => some.join('.'));
    fc.assert(
      fc.property(fc.uniqueArray(pattern, { maxLength: 8 }), subject, (patterns, asked) => {
        const found = policyFor(routing(...patterns), asked)?.pattern;
        expect(found === undefined).toBe(!patterns.some((one) => matchesFilter(one, asked)));
        expect(policyFor(routing(...patterns.toReversed()), asked)?.pattern).toBe(found);
      }),
      { numRuns: 500 },
    );
  });
});
