/** Work of four priorities, stored until a worker that is free takes it from its domain's queues and says that it is done. */
import { jetstream } from '@nats-io/jetstream';
import type { Client } from './run/client.ts';

const DOMAIN = 'example';

export const run = async ({ nc, id, say, publish, requestUntil, check }: Client): Promise<void> => {
  const batch = id('batch');
  for (const priority of ['low', 'normal', 'high', 'critical']) publish(`work.${DOMAIN}.${priority}.parse`, { batch, priority });
  say('the queues of a domain that is new are there within 5 s');
  const isThere = ({ queues }: { queues: { domain: string; pending: number }[] }) =>
    queues.filter(({ domain, pending }) => domain === DOMAIN && pending > 0).length === 4;
  await requestUntil('the queues', 'control.bridge.list', '', isThere);

  // A worker that lives longer asks in turns, so that critical work does not starve the rest: see docs/patterns.md.
  for (const priority of ['critical', 'high', 'normal', 'low']) {
    const queue = await jetstream(nc).consumers.get('WORK_QUEUE', `work-${DOMAIN}-${priority}`);
    const work = await queue.next({ expires: 5000 });
    check(work !== null, `the queue of ${priority} is empty`);
    say(`taken: ${work?.subject} ${work?.string()}`);
    // Until then it is this worker's for 5 minutes, and somebody else's afterwards.
    check((await work?.ackAck()) === true, 'it is not known as done');
  }
};
