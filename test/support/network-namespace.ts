/** A network namespace with links to this machine that a test can cut. It needs Linux, iproute2 and the right to make one. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export type Namespace = {
  /** The command that runs another one in it. */
  inside: string[];
  /** The addresses of a link: this machine's, and the namespace's. */
  here(link: number): string;
  there(link: number): string;
  /** What is sent over the link is lost, in both directions, until it is mended. */
  cut(link: number): Promise<void>;
  mend(link: number): Promise<void>;
  /** Ends with everything in it. */
  remove(): Promise<void>;
};

const ip = async (...args: string[]): Promise<void> => void (await promisify(execFile)('ip', args));

/** Rejects where namespaces are not permitted, or `ip` is not there. */
export const networkNamespace = async (links: number): Promise<Namespace> => {
  // Interfaces have names of at most 15 letters, and other tests may run.
  const name = `ms${process.pid}`;
  const subnet = (link: number) => `10.213.${(process.pid + link) % 250}`;
  await ip('netns', 'add', name);
  const remove = () => ip('netns', 'delete', name);
  try {
    await ip('-n', name, 'link', 'set', 'lo', 'up');
    for (let link = 0; link < links; link++) {
      const [here, there] = [`${name}h${link}`, `${name}n${link}`];
      await ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', name);
      await ip('address', 'add', `${subnet(link)}.1/24`, 'dev', here);
      await ip('-n', name, 'address', 'add', `${subnet(link)}.2/24`, 'dev', there);
      await ip('link', 'set', here, 'up');
      await ip('-n', name, 'link', 'set', there, 'up');
    }
  } catch (error) {
    await remove();
    throw error;
  }
  const turn = (link: number, way: 'up' | 'down') => ip('-n', name, 'link', 'set', `${name}n${link}`, way);
  return {
    inside: ['ip', 'netns', 'exec', name],
    here: (link) => `${subnet(link)}.1`,
    there: (link) => `${subnet(link)}.2`,
    cut: (link) => turn(link, 'down'),
    mend: (link) => turn(link, 'up'),
    remove,
  };
};
