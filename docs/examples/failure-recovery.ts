/** An agent crashes, and its supervisor is told to start it again. Whoever sees the crash reports it, nothing more. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, listen, answer, agent }: Client): Promise<void> => {
  const [worker, supervisor] = [id('worker'), id('supervisor')];
  await agent(worker, { supervisor });

  // The supervisor's process: it starts what it is ordered to.
  await answer(`supervisor.${supervisor}.cmd.restart`, ({ attempt }) => {
    say(`${supervisor} starts ${worker} again (attempt ${attempt})`);
    publish(`agent.${worker}.started`);
    publish(`agent.${worker}.ready`);
  });
  const events = await listen(`supervisor.${supervisor}.events`);

  say(`${worker} crashes`);
  publish('supervision.failures.high', { agent_id: worker, failure_type: 'process_crash', severity: 'high' });
  await events('the recovery', ({ event_type }) => event_type === 'recovering');
  await events('the end of the recovery', ({ event_type }) => event_type === 'recovered');
  say(`${worker} is back`);
};
