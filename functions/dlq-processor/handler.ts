/** Dead letters and the server's word of given-up messages, and what operators do about them. */
import { createFunction } from '#shared/function/create-function.ts';
import { letters } from './decide.ts';
import { letterGroupKind, letterKind } from './letter.ts';
import { operations } from './operation.ts';
import { list, show } from './queries.ts';
import { settings } from './settings.ts';

export const handler = createFunction({
  name: 'dlq-processor',
  settings,
  entities: [letters, operations],
  kinds: [letterGroupKind, letterKind],
  queries: [list, show],
});
