/** An emergency broadcast: a subject, an owner and lanes of its own, so that whatever is queued elsewhere it is ahead. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, request, listen }: Client): Promise<void> => {
  // Agents would subscribe to broadcast.emergency.* and stop what they do.
  const event = id('drill');
  const hears = await listen(`broadcast.emergency.${event}`);
  await request('control.broadcast.emergency', { event, payload: { why: 'a drill' }, by: 'kim' });
  const { why } = await hears('the emergency');
  say(`everybody has heard it: ${why}`);
};
