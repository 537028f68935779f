import fc from 'fast-check';
import { expect, test } from 'vitest';
import { address, answer, choose } from '#functions/addressing/decide.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { agentAction } from '#shared/messages/discovery.ts';
import type { Agent } from '#shared/registry/agent.ts';
import { received } from '#test/support/decide.ts';

const instance = (agent_id: string, more: Partial<Agent> = {}, addressed = true): Agent => ({
  profile: { agent_id, domain: 'nlp', name: 'sum', capabilities: [], metadata: { addressed } },
  lifecycle: 'active',
  since: 0,
  lastSeen: 0,
  responsive: true,
  status: 'ready',
  load: 0,
  activeTasks: 0,
  ...more,
});

const request = (reply = '_INBOX.1', domain = 'nlp', headers = {}) =>
  received(agentAction, { domain, name: 'sum', action: 'act' }, { data: '3q2+7w==', encoding: 'base64' }, { reply, headers });

test('a request goes to an instance as it came, with the action, and the instance answers the requester', () => {
  const headers = { 'X-Trace-ID': ['t1'], 'Nats-Msg-Id': ['m1'] };
  expect(answer([instance('a1')], request('_INBOX.1', 'nlp', headers))).toEqual({
    forward: [
      {
        subject: 'agent.a1.cmd.execute',
        raw: { data: '3q2+7w==', encoding: 'base64' },
        headers: { 'X-Trace-ID': ['t1'], 'X-Action': ['act'] },
        reply: '_INBOX.1',
      },
    ],
  });
});

test.each([
  ['nobody has the role', [], 'not_found'],
  ['nobody of the role is healthy', [instance('a1', { lifecycle: 'suspended' }), instance('a2', { responsive: false })], 'unavailable'],
])('a request where %s is refused with a sentence', (_, instances, code) => {
  expect(answer(instances, request())).toEqual({ error: { code, message: expect.stringMatching(/^no.* sum .*nlp.*: /) } });
});

test('agents that serve their role themselves are left alone, and so are the subjects of the registry', () => {
  expect(answer([instance('a1', {}, false)], request())).toEqual({ forward: [] });
  for (const domain of ['discovery', 'registry', 'hb']) expect(answer([], request('_INBOX.1', domain))).toEqual({ forward: [] });
});

test('only the healthy are chosen, and of these only the least loaded', () => {
  const some = fc.record({ load: fc.double({ min: 0, max: 1, noNaN: true }), responsive: fc.boolean() });
  fc.assert(
    fc.property(fc.array(some, { minLength: 1 }), fc.uuid(), (fleet, inbox) => {
      const instances = fleet.map((one, n) => instance(`a${n}`, one));
      const healthy = instances.filter(({ responsive }) => responsive);
      const chosen = choose(instances, request(`_INBOX.${inbox}`));
      const least = Math.min(...healthy.map(({ load }) => load));
      const best = healthy.filter(({ load }) => load < least + 0.1);
      expect(best.length === 0 ? [undefined] : best).toContain(chosen);
    }),
  );
});

test('the healthy are found behind any number of instances that are gone', async () => {
  const gone = Array.from({ length: 300 }, (_, n) => instance(`a${100 + n}`, { responsive: false }));
  const fleet = new Map([...gone, instance('b1')].map((one) => [one.profile.agent_id, one]));
  const lookup = async (_: unknown, __: string, { after = '', limit = 0 }) => [...fleet.keys()].filter((id) => id > after).slice(0, limit);
  const load = async (_: unknown, ids: string[]) => new Map(ids.map((id) => [id, fleet.get(id)]));
  const found = await address.read(request(), { lookup, load } as unknown as Reader);
  expect(answer(found, request())).toMatchObject({ forward: [{ subject: 'agent.b1.cmd.execute' }] });
});

test('requests spread over instances that are loaded alike', () => {
  const instances = ['a1', 'a2', 'a3', 'a4'].map((id) => instance(id));
  const chosen = Array.from({ length: 400 }, (_, n) => choose(instances, request(`_INBOX.${n}`))?.profile.agent_id);
  for (const { profile } of instances) expect(chosen.filter((id) => id === profile.agent_id).length).toBeGreaterThan(50);
});
