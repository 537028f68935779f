/**
 * Which domains queue their work, and which have plain workers that hear it as it passes (`WORK_DOMAINS`, `WORK_CORE_DOMAINS`).
 * A stream cannot store all subjects but some, so where the latter are named it stores those of the former.
 */
import * as z from 'zod';
import { isToken } from '#shared/subjects.ts';

const domains = z
  .string()
  .default('')
  .transform((text) => [...new Set(text.split(',').map((domain) => domain.trim()))].filter(Boolean))
  .refine((list) => list.every(isToken), 'names what is no domain: write ids with commas between them, such as nlp,vision');

export const workVariables = { WORK_DOMAINS: domains, WORK_CORE_DOMAINS: domains };

export type WorkSettings = z.infer<z.ZodObject<typeof workVariables>>;

/** What each variable says for `--help`. */
export const WORK_HELP = `\
  WORK_DOMAINS  domains whose queues of work are made now, such as nlp,vision; those of others when they have work (none)
  WORK_CORE_DOMAINS
                domains whose work is not stored, but heard by plain workers; then only WORK_DOMAINS queue theirs (none)`;

/** Mistakes between the two, a sentence each. */
export const workConflicts = ({ WORK_DOMAINS: queued, WORK_CORE_DOMAINS: core }: WorkSettings): string[] => {
  const both = queued.filter((domain) => core.includes(domain));
  return [
    ...(both.length > 0
      ? [`WORK_DOMAINS and WORK_CORE_DOMAINS both name ${both.join(' and ')}: work is queued or not, so leave it out of one`]
      : []),
    ...(core.length > 0 && queued.length === 0
      ? ['WORK_CORE_DOMAINS is set without WORK_DOMAINS: name the domains whose work is queued, too']
      : []),
  ];
};

/** What the stream of work stores. */
export const workSubjects = ({ WORK_DOMAINS: queued, WORK_CORE_DOMAINS: core }: WorkSettings): string[] =>
  core.length > 0 ? queued.map((domain) => `work.${domain}.>`) : ['work.>'];
