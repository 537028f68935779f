import { expect, test } from 'vitest';
import { alarm, broadcast, send } from '#functions/broadcaster/decide.ts';
import { readManifest } from '#infra/bridge/manifest/read-manifest.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { controlBroadcastEmergency, controlBroadcastSend } from '#shared/messages/control-coordination.ts';
import type { Agent } from '#shared/registry/agent.ts';
import { received } from '#test/support/decide.ts';

const asked = (body: object) => received(controlBroadcastSend, {}, { event: 'e1', by: 'kim', ...body });
const raw = { data: '{"n":1}', encoding: 'utf8' };
const headers = { 'X-Agent-ID': ['kim'] };

test.each([
  ['everybody', { scope: 'global' }, [], ['broadcast.global.e1']],
  ['a domain', { scope: 'domain', domain: 'nlp' }, ['nlp'], ['broadcast.domain.nlp.e1']],
  [
    'the domains of a capability',
    { scope: 'domain', capability: 'ocr' },
    ['nlp', 'vision'],
    ['broadcast.domain.nlp.e1', 'broadcast.domain.vision.e1'],
  ],
])('an event is told to %s', (_, body, domains, subjects) => {
  const publish = subjects.map((subject) => ({ subject, raw, headers }));
  expect(broadcast(domains, asked({ ...body, payload: { n: 1 } }))).toEqual({ body: { subjects }, publish });
});

test('the domains of a capability are those with an agent that has it, each once', async () => {
  const agents = ['vision', 'nlp', 'nlp', undefined].map((domain, n): [string, Agent] => [
    `a${n}`,
    {
      profile: { agent_id: `a${n}`, domain, capabilities: ['ocr'], metadata: {} },
      lifecycle: 'active',
      status: 'ready',
      load: 0,
    } as unknown as Agent,
  ]);
  const reader = { lookup: async () => agents.map(([id]) => id), load: async () => new Map(agents) } as unknown as Reader;
  expect(await send.read(asked({ scope: 'domain', capability: 'ocr' }), reader)).toEqual(['nlp', 'vision']);
});

test('a capability that nobody has is told to nobody, and said', () => {
  expect(broadcast([], asked({ scope: 'domain', capability: 'ocr' }))).toMatchObject({ error: { code: 'not_found' } });
});

test.each([
  { scope: 'domain' },
  { scope: 'global', domain: 'nlp' },
  { scope: 'domain', domain: 'nlp', capability: 'ocr' },
  { scope: 'emergency' },
  { scope: 'global', event: 'e'.repeat(101) },
])('a broadcast to %j is refused', (body) => {
  expect(controlBroadcastSend.body.safeParse({ event: 'e1', ...body }).success).toBe(false);
});

test('an emergency is told to everybody, and shares neither owner nor lanes with anything else', async () => {
  const request = received(controlBroadcastEmergency, {}, { event: 'stop', payload: { n: 1 }, by: 'kim' });
  expect(alarm(request)).toEqual({
    body: { subjects: ['broadcast.emergency.stop'] },
    publish: [{ subject: 'broadcast.emergency.stop', raw, headers }],
  });
  const { functions } = await readManifest('serverless.yml');
  const bindings = functions.flatMap(({ bindings }) => bindings.filter((one) => 'partition' in one && one.partition === 'emergency'));
  expect(bindings.map(({ name }) => name)).toEqual(['broadcaster.emergencies']);
});
