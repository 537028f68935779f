/** Nobody goes on before all have come. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, listen, check }: Client): Promise<void> => {
  const barrier = id('load');
  const releases = await listen(`coordination.sync.released.${barrier}`);
  const parties = ['ann', 'ben', 'cleo'];
  for (const participant of parties) {
    await pause(300);
    say(`${participant} has loaded its part`);
    publish(`coordination.sync.barrier.${barrier}`, { participant, parties: parties.length, phase: 'loaded' });
  }
  const { status, arrived } = await releases('the release');
  check(status === 'released' && arrived === parties.length, `the barrier is ${status} with ${arrived}`);
  say('all go on');
};
