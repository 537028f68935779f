/** Does what a Dockerfile of two stages says, without Docker: enough to know that its steps work and what the image holds. */
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, symlink } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';

export type Instruction = { name: string; args: string };

export const parseDockerfile = (text: string): Instruction[] =>
  text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name = '', args = ''] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? [];
      return { name, args };
    });

/** The files that the last stage holds are put into `image`. `context` is the folder that it is built of. */
export type Build = { instructions: Instruction[]; context: string; stage: string; image: string };

const words = (args: string): string[] => args.split(/\s+/).filter((word) => !word.startsWith('--'));

/** What `.dockerignore` lets through: here everything is ignored but the lines with `!`. */
const inContext = async (context: string): Promise<string[]> =>
  (await readFile(join(context, '.dockerignore'), 'utf8')).split('\n').flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));

const copy = async (args: string, from: string, to: string): Promise<void> => {
  const sources = words(args);
  const target = sources.pop() ?? '.';
  await mkdir(to, { recursive: true });
  for (const source of sources)
    await cp(join(from, source), target.endsWith('/') ? join(to, target, basename(source)) : join(to, target), { recursive: true });
};

const run = async (command: string, { context, stage }: Build): Promise<void> => {
  // What is locked is installed here already.
  if (command === 'npm ci') return symlink(resolve(context, 'node_modules'), join(stage, 'node_modules'));
  const [program = '', ...args] = command.split(' ');
  await promisify(execFile)(program, args, { cwd: stage });
};

/** Rejects where a file is not there or a command fails. */
export const buildWithoutDocker = async (build: Build): Promise<void> => {
  const { instructions, context, stage, image } = build;
  const allowed = await inContext(context);
  for (const { name, args } of instructions) {
    const fromStage = args.startsWith('--from=');
    if (name === 'RUN') await run(args, build);
    if (name !== 'COPY') continue;
    const barred = fromStage
      ? []
      : words(args)
          .slice(0, -1)
          .filter((source) => !allowed.includes(source));
    if (barred.length > 0) throw new Error(`.dockerignore keeps ${barred.join(', ')} out of the context`);
    if (fromStage) await copy(args.replaceAll('/app/', ''), stage, image);
    else await copy(args, context, stage);
  }
};
