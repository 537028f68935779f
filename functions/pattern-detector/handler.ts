/** `supervision.failures.*` and `supervision.health.*`: patterns in what goes wrong, and who asks for them. */
import { createFunction } from '#shared/function/create-function.ts';
import { outbreaks } from './decide.ts';
import { list } from './queries.ts';
import { settings } from './settings.ts';
import { watches } from './watch.ts';

export const handler = createFunction({ name: 'pattern-detector', settings, entities: [outbreaks, watches], queries: [list] });
