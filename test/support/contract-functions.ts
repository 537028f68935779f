/** The functions that the invokers' contract calls, in a process, behind a fake API and on an emulator: they need no build. */
export const echo = async (batch: unknown) => batch;

export const babble = async () => 'what was the question?';

export const refuse = async () => {
  throw new Error('agent a1\n  has no state');
};
