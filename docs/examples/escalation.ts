/** A critical failure is handed to the agent's supervisor, then further up, until somebody answers. Here an operator does. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, request, listen }: Client): Promise<void> => {
  const [worker, supervisor] = [id('worker'), id('supervisor')];
  const handedOver = await listen(`supervisor.${supervisor}.events`, ({ event_type }) => event_type === 'escalation');
  const alerts = await listen('alerts.low', ({ source, agent_ids }) => source === 'escalation' && agent_ids?.includes(worker));

  say(`${worker} fails critically, and its supervisor is ${supervisor}`);
  publish('supervision.escalation.1', { agent_id: worker, supervisor_id: supervisor, escalation_reason: 'the model is lost' });
  await handedOver('the escalation');

  say('kim looks at it: it goes no further up');
  await request('control.escalation.ack', { agent_id: worker, by: 'kim', reason: 'mine' });
  await alerts('the acknowledgement', ({ summary }) => summary.includes('acknowledged by kim'));

  say(`${worker} is ready again, which closes the case`);
  publish(`agent.${worker}.ready`);
  await alerts('the end of the case', ({ summary }) => summary.includes('is resolved'));
  publish(`agent.${worker}.stopped`);
};
