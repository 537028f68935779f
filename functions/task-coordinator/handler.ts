/** Tasks for many, and how far they are. */
import { createFunction } from '#shared/function/create-function.ts';
import { groups } from './decide.ts';
import { list, page, show } from './queries.ts';
import { settings } from './settings.ts';

export const handler = createFunction({ name: 'task-coordinator', settings, entities: [groups], queries: [show, page, list] });
