/** A message that cannot be taken is kept with the reason; once the reason is gone an operator has it published again. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, request, requestUntil, listen, check }: Client): Promise<void> => {
  const [supervisor, parent] = [id('supervisor'), id('parent')];
  const subject = `supervisor.${supervisor}.events`;
  const letters = await listen(`dlq.${subject}`);

  say(`${supervisor} names a parent that nobody has defined`);
  publish(subject, { event_type: 'started', parent, children: [] });
  await letters('the dead letter');
  const { letters: kept } = await requestUntil('the list', 'control.dlq.list', { subject }, (answer) => answer.letters.length === 1);
  const [letter] = kept;
  check(letter.reason.code === 'invalid_orphan', `the letter is there because of ${letter.reason.code}`);

  say(`the reason: ${letter.reason.message}`);
  await request('control.supervisor.define', { supervisor_id: parent, by: 'kim' });
  say('now it can be taken: kim has it published again');
  await request('control.dlq.replay', { id: letter.id, by: 'kim' });
  const show = { supervisor_id: supervisor };
  await requestUntil('the replay', 'control.supervisor.show', show, (answer) => answer.supervisor.parent === parent);

  for (const supervisor_id of [supervisor, parent]) await request('control.supervisor.remove', { supervisor_id, by: 'kim' });
};
