/** What is the same error: function, code, reason and subject, without the ids and numbers that differ each time. Pure. */
import { BLANK, blank } from '#shared/blank.ts';
import { contentId } from '#shared/content-id.ts';
import { messageBySubject } from '#shared/messages/catalogue.ts';
import { parseSubject } from '#shared/subjects.ts';

export type Failing = { function: string; code: string; reason: string; subject: string };

/** The pattern of a subject, or its tokens without numbers where nobody knows it. */
const blankSubject = (subject: string): string =>
  messageBySubject(subject)?.subject ??
  subject
    .split('.')
    .map((token) => (/\d/.test(token) ? BLANK : token))
    .join('.');

/** The ids that a subject says: words of the reason may be one of them. */
const idsOf = (subject: string): string[] => {
  const pattern = messageBySubject(subject)?.subject as string | undefined;
  const params = pattern === undefined ? undefined : parseSubject(pattern, subject);
  return Object.entries(params ?? {}).flatMap(([name, value]) => (name.endsWith('_id') ? [value] : []));
};

/** `id` is the group's. */
export const fingerprint = (failing: Failing): Failing & { id: string } => {
  const { function: name, code, reason, subject } = failing;
  const same = { function: name, code, reason: blank(reason, new Set(idsOf(subject))), subject: blankSubject(subject) };
  return { ...same, id: contentId(same) };
};
