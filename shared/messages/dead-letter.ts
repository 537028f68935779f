/** What could not be processed: the original bytes and headers, with where they came from and why they are here. */
import { subjects } from '#shared/subjects.ts';
import { defineMessage } from './message.ts';
import { opaque } from './opaque.ts';

export const deadLetter = defineMessage({
  name: 'deadLetter',
  subject: subjects.deadLetter,
  by: 'DEAD_LETTERS',
  body: opaque,
});
