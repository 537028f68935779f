/** The fleet, from the options of the command line or from a file of agents with commands of their own. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { checkFleet, type Fleet, MOST_AGENTS, refuse } from './fleet.ts';

const OPTIONS = {
  id: { type: 'string' },
  agents: { type: 'string' },
  count: { type: 'string' },
  file: { type: 'string' },
  strategy: { type: 'string' },
  intensity: { type: 'string' },
  'period-ms': { type: 'string' },
  'auto-shutdown': { type: 'string' },
  parent: { type: 'string' },
  domain: { type: 'string' },
  restart: { type: 'string' },
  'shutdown-ms': { type: 'string' },
  heartbeat: { type: 'string' },
} as const;

const NUMBERS = ['intensity', 'period-ms', 'shutdown-ms', 'heartbeat'];
/** Of the fleet as a whole, so that a file may have them too. */
const SETTINGS = Object.keys(OPTIONS).filter((name) => !['agents', 'count', 'file'].includes(name));

type Options = Partial<Record<keyof typeof OPTIONS, string>>;

const optionsIn = (args: string[]): Options => {
  try {
    return parseArgs({ args, options: OPTIONS, strict: true }).values;
  } catch (error) {
    // What follows the first sentence is about other programs' options.
    return refuse((error as Error).message.split('. ')[0] ?? '');
  }
};

const numberOrText = (name: string, text: string): string | number => {
  const isNumber = NUMBERS.includes(name) && text.trim() !== '' && !Number.isNaN(Number(text));
  return isNumber ? Number(text) : text;
};

const settingsOf = (options: Options): Record<string, unknown> =>
  Object.fromEntries(
    SETTINGS.flatMap((name) => {
      const value = options[name as keyof Options];
      return value === undefined ? [] : [[name.replaceAll('-', '_'), numberOrText(name, value)]];
    }),
  );

/** `--agents a1,a2`, `--count 3` (of `s1`: s1-1, s1-2, s1-3), or one: `s1-1`. */
const idsOf = ({ id: supervisor, agents, count: wanted }: Options): string[] => {
  if (agents !== undefined && wanted !== undefined) refuse('--agents and --count are given: keep one of them');
  if (agents !== undefined) return agents.split(',').map((one) => one.trim());
  const number = Number(wanted ?? 1);
  if (!(Number.isInteger(number) && number >= 1 && number <= MOST_AGENTS))
    refuse(`--count ${wanted} is not a whole number from 1 to ${MOST_AGENTS}`);
  return Array.from({ length: number }, (_, n) => `${supervisor}-${n + 1}`);
};

const contentOf = (file: string): Record<string, unknown> => {
  try {
    const content: unknown = parse(readFileSync(file, 'utf8'));
    if (typeof content === 'object' && content !== null && !Array.isArray(content)) return content as Record<string, unknown>;
  } catch (error) {
    return refuse(`--file ${file} cannot be read (${(error as Error).message.split('\n')[0]})`);
  }
  return refuse(`--file ${file} has no fields: write agents: and what else the fleet is`);
};

/** `shutdown_ms: must be ...` as the option that said it. */
const asOption = (sentence: string): string =>
  sentence.replace(/^agents\[\d+\]\.id/, 'agents').replace(/^\w+/, (field) => `--${field.replaceAll('_', '-')}`);

/** `args`: those of the command line. Throws a SettingsError of one sentence. */
export const readFleet = (args: readonly string[]): Fleet => {
  const at = args.indexOf('--');
  const options = optionsIn([...(at < 0 ? args : args.slice(0, at))]);
  const command = at < 0 ? [] : args.slice(at + 1);
  if (options.id === undefined) refuse('--id is needed: the name of this supervisor');
  const settings = settingsOf(options);
  if (options.file !== undefined) {
    if (command.length > 0 || options.agents !== undefined || options.count !== undefined)
      refuse('--file says which agents there are: leave out --agents, --count and the command');
    return checkFleet({ ...contentOf(options.file), ...settings }, (sentence) => `${options.file}: ${sentence}`);
  }
  if (command.length === 0) refuse('there is no command: write it after --, or name a --file');
  return checkFleet({ ...settings, agents: idsOf(options).map((agent) => ({ id: agent, command })) }, asOption);
};
