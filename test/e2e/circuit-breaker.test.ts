/** A service that fails, as the fleet reports it, and as an operator sees it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect, type Stack, setupStack } from '#test/support/stack.ts';

const WITHIN = { timeout: 15_000, interval: 20 };

let stack: Stack;
beforeAll(async () => {
  stack = await setupStack({ CIRCUIT_RULES: JSON.stringify({ ocr: { wait_duration_in_open_state_ms: 700 } }) });
});
afterAll(() => stack.stop());

const ask = async (subject: string, body: unknown = {}) => {
  const message = await stack.nc.request(subject, JSON.stringify(body), { timeout: 5000 });
  return { error: message.headers?.get('Nats-Service-Error') || undefined, body: message.json<Record<string, unknown>>() };
};

const report = (service: string, outcome: string, times: number) => {
  for (let n = 0; n < times; n++) stack.nc.publish(`circuit.${service}.report`, JSON.stringify({ outcome }));
};

const listed = async (service: string) => {
  const { body } = await ask('control.circuit.list');
  return (body.circuits as { service: string }[]).find((circuit) => circuit.service === service);
};

const statesOf = async (service: string) => {
  const seen = await collect(stack.nc, `circuit.${service}.*`);
  return () => seen.filter(({ subject }) => !subject.endsWith('.report')).map(({ body }) => body);
};

test('a service whose calls fail is opened, tried and closed, each said once', async () => {
  const said = await statesOf('ocr');
  report('ocr', 'failure', 20);
  await expect.poll(said, WITHIN).toHaveLength(2);
  report('ocr', 'success', 3);
  await expect.poll(said, WITHIN).toMatchObject([
    { service: 'ocr', state: 'open', epoch: 1, permits: 0, until: expect.any(String), reason: '10 calls failed in a row' },
    { service: 'ocr', state: 'half_open', epoch: 2, permits: 3 },
    { service: 'ocr', state: 'closed', epoch: 3, reason: 'the probes went well' },
  ]);
  expect(await listed('ocr')).toMatchObject({ state: 'closed', openings: 0 });
});

test('a healthy service is listed with its pace', async () => {
  report('llm', 'success', 50);
  await expect.poll(() => listed('llm'), WITHIN).toMatchObject({ state: 'closed', calls_per_second: expect.any(Number) });
});

test('a circuit that an agent opens is open for the fleet', async () => {
  const said = await statesOf('nlp-service');
  await stack.publish('circuit.nlp-service.open', 'out of memory');
  await expect.poll(() => listed('nlp-service'), WITHIN).toMatchObject({ state: 'open', reason: 'out of memory' });
  expect(said()).toEqual(['out of memory']);
});

test('an operator forces a circuit open, and resets it', async () => {
  const said = await statesOf('search');
  expect(await ask('control.circuit.force', { service: 'search', state: 'open', by: 'kim', reason: 'upgrade' })).toMatchObject({
    body: { circuit: { state: 'open', forced: true } },
  });
  expect(await ask('control.circuit.reset', { service: 'search', by: 'kim' })).toMatchObject({ body: { circuit: { state: 'closed' } } });
  await expect.poll(said, WITHIN).toMatchObject([
    { state: 'open', reason: 'forced by kim: upgrade' },
    { state: 'closed', reason: 'reset by kim' },
  ]);
});

test('an operator who asks wrongly is told what is wrong', async () => {
  expect(await ask('control.circuit.reset', { service: 'unheard-of' })).toMatchObject({ error: expect.stringContaining('unheard-of') });
  expect(await ask('control.circuit.force', { service: 'ocr', state: 'ajar' })).toMatchObject({ error: expect.stringContaining('state') });
});
