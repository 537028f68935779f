/** Three agents agree on one of two proposals, and it never changes afterwards. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, listen, answer, check }: Client): Promise<void> => {
  const subject = `coordination.consensus.${id('color')}`;
  const participants = ['ann', 'ben', 'cleo'];
  for (const sender of participants) {
    // An acceptor: it promises what is higher than before, and accepts what is not below its promise.
    let promised = -1;
    await answer(subject, ({ message_type, round }) => {
      if (message_type !== 'prepare' || round <= promised) return;
      promised = round;
      publish(subject, { message_type: 'promise', sender, round });
    });
    await answer(`${subject}.result`, ({ message_type, round, value }) => {
      if (message_type !== 'propose' || round < promised) return;
      promised = round;
      publish(subject, { message_type: 'accept', sender, round, value });
    });
  }
  const results = await listen(`${subject}.result`);
  const propose = async (sender: string, round: number, wish: string) => {
    publish(subject, { message_type: 'prepare', sender, round, participants });
    const isMine = (body: { message_type: string; round: number }) => body.message_type === 'promise' && body.round === round;
    const { value = wish } = await results('the promise of a majority', isMine);
    publish(subject, { message_type: 'propose', sender, round, value });
  };

  await propose('ann', 1, 'blue');
  const { value } = await results('the decision', ({ message_type }) => message_type === 'learn');
  say(`it is ${value}; now somebody wants red, and is told what is decided`);
  publish(subject, { message_type: 'prepare', sender: 'ben', round: 2, participants });
  const again = await results('the same decision', ({ message_type }) => message_type === 'learn');
  check(value === 'blue' && again.value === 'blue', `${value} has become ${again.value}`);
};
