/** Who restarts whom: a supervisor says who its children are, an agent joins it, and what would be no tree is refused. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, request, requestUntil, agent, check }: Client): Promise<void> => {
  const [upper, lower, ann, ben] = [id('upper'), id('lower'), id('ann'), id('ben')];
  await request('control.supervisor.define', { supervisor_id: upper, strategy: 'one_for_one', by: 'kim' });

  say(`the process of ${lower} starts, and says what it is`);
  publish(`supervisor.${lower}.events`, { event_type: 'started', parent: upper, strategy: 'rest_for_one', children: [ann] });
  const hasChildren = (count: number) =>
    requestUntil(
      `child ${count}`,
      'control.supervisor.show',
      { supervisor_id: lower },
      (answer) => answer.supervisor.children.length === count,
    );
  await hasChildren(1);

  say(`${ben} names it when it is created, and so joins it`);
  await agent(ben, { supervisor: lower });
  await hasChildren(2);

  const circle = { supervisor_id: upper, parent: lower, by: 'kim' };
  const refusal = await request('control.supervisor.define', circle).catch((error: Error) => error);
  check(refusal instanceof Error, 'a circle was not refused');
  say(`refused: ${refusal.message}`);

  for (const child_id of [ann, ben]) await request('control.supervisor.remove_child', { supervisor_id: lower, child_id, by: 'kim' });
  for (const supervisor_id of [lower, upper]) await request('control.supervisor.remove', { supervisor_id, by: 'kim' });
};
