/** Which examples there are: every file beside this folder is one. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Client } from './client.ts';

const FOLDER = new URL('../', import.meta.url);

export const names: readonly string[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -'.ts'.length))
  .toSorted();

/** The first sentence of the file. */
export const titleOf = (name: string): string => {
  const [, docstring = ''] = /^\/\*\*(.*?)\*\//s.exec(readFileSync(new URL(`${name}.ts`, FOLDER), 'utf8')) ?? [];
  const text = docstring.replaceAll(/\s+\*?\s*/g, ' ').trim();
  return /^.*?\.(?= |$)/.exec(text)?.[0] ?? text;
};

/** Resolves when what the example promises has happened; rejects with a sentence that says what has not. */
export type Run = (client: Client) => Promise<void>;

export const load = async (name: string): Promise<Run> => {
  const { run } = (await import(new URL(`${name}.ts`, FOLDER).href)) as { run: Run };
  return run;
};
