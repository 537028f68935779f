/** One leader a domain, for a lease: who asks first wins, who asks meanwhile hears nothing, and each leader's token is higher. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, request, check }: Client): Promise<void> => {
  const [domain, ann, ben] = [id('nlp'), id('ann'), id('ben')];
  // An answer means won, silence means lost.
  const stand = (candidate: string, patience = 10_000) => request(`election.${domain}.vote`, candidate, patience).catch(() => undefined);

  const first = await stand(ann);
  check(first?.leader === ann, `${ann} asked first and did not win`);
  say(`${ann} leads, and says so every 5 s`);
  publish(`election.${domain}.heartbeat`, ann);
  check((await stand(ben, 2000)) === undefined, 'there are two leaders');
  say(`${ben} hears nothing: it has lost, and would ask again 10 s later`);

  say(`${ann} resigns; were it dead, its lease would be over after 15 s`);
  await request('control.election.resign', { domain, agent_id: ann });
  const second = await stand(ben);
  check(second?.leader === ben, `${ben} asked when nobody led and did not win`);
  check(second.fencing_token > first.fencing_token, 'the token has not grown');
  say(`what ${ann} still writes with token ${first.fencing_token} can be refused: ${second.fencing_token} is newer`);
};
