/** What a free-form content of document 004 is about: agents and things that it names. Pure. */
import { isToken } from '#shared/subjects.ts';

/** Fields that name who or what is wanted, in the order in which they count. */
const WANTED = [
  'resource',
  'component',
  'capability',
  'topic',
  'task',
  'blocked_by',
  'waiting_for',
  'depends_on',
  'needs',
  'agent',
  'agents',
  'participants',
  'with',
];
/** Fields by which an agent says what it works at. */
const WORKED = ['component', 'task', 'resource'];
const MOST = 10;
const LONGEST = 200;

const named = (content: unknown, fields: readonly string[]): string[] => {
  if (typeof content !== 'object' || content === null) return [];
  const values = fields.flatMap((field) => (content as Record<string, unknown>)[field] ?? []);
  const names = values.filter((value): value is string => typeof value === 'string' && value !== '' && value.length <= LONGEST);
  return [...new Set(names)].slice(0, MOST);
};

/** Names of agents, capabilities, components or resources: which of them they are, the table knows. */
export const wantedIn = (content: unknown): string[] => named(content, WANTED);

/** What the sender works at, or has done. */
export const workedAtIn = (content: unknown): string[] => named(content, WORKED);

export const agentsIn = (content: unknown): string[] => wantedIn(content).filter(isToken);
