/** `npm run example -- <name>`: plays an example of docs/examples on the local stack; without a name lists them. */
import { load, names, titleOf } from './catalogue.ts';
import { createClient } from './client.ts';
import { findStack } from './stack.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const list = (): void => {
  const width = Math.max(...names.map(({ length }) => length));
  for (const name of names) say(`${name.padEnd(width)}  ${titleOf(name)}`);
};

const signalled = new Promise<'signalled'>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve('signalled'));
});

const play = async (name: string): Promise<number> => {
  const run = await load(name);
  say(`${name}: ${titleOf(name)}`);
  const stack = await Promise.race([findStack(process.env, say), signalled]);
  // Ended while it started: the programs end when this process does.
  if (stack === 'signalled') return 130;
  const client = createClient(stack.nc, say);
  try {
    const ended = await Promise.race([run(client), signalled]);
    if (ended === 'signalled') return 130;
    say('done');
    return 0;
  } finally {
    await client.close();
    await stack.stop();
  }
};

const main = async (): Promise<number> => {
  const [name, ...rest] = process.argv.slice(2);
  if (name === undefined) {
    list();
    return 0;
  }
  if (rest.length > 0) throw new Error('one example at a time: npm run example -- <name>');
  if (!names.includes(name)) throw new Error(`there is no example ${name}: it is one of ${names.join(', ')}`);
  return play(name);
};

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  },
);
