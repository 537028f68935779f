/** Ten failures in a row open the circuit of a service for the whole fleet; three good probes close it. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, request, listen }: Client): Promise<void> => {
  const service = id('ocr');
  const states = await listen(`circuit.${service}.*`, (_, subject) => !subject.endsWith('.report'));

  say(`ten calls of ${service} fail, whichever agents made them`);
  for (let call = 0; call < 10; call++) publish(`circuit.${service}.report`, { outcome: 'failure', duration_ms: 900 });
  await states('the opening', ({ state }) => state === 'open');

  say('after 30 s it would be half open by itself; an operator does not wait');
  await request('control.circuit.force', { service, state: 'half_open', by: 'kim', reason: 'it is mended' });
  const { permits } = await states('the half-open state', ({ state }) => state === 'half_open');

  say(`the fleet may try ${permits} calls, and they go well`);
  for (let call = 0; call < permits; call++) publish(`circuit.${service}.report`, { outcome: 'success', duration_ms: 40 });
  await states('the closing', ({ state }) => state === 'closed');
};
