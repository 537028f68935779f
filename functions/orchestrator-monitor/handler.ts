/** Document 004's bus: statuses, failed tasks, and what agents ask of each other. */
import { createFunction } from '#shared/function/create-function.ts';
import { colleagues } from './decide.ts';
import { list } from './queries.ts';
import { settings } from './settings.ts';

export const handler = createFunction({ name: 'orchestrator-monitor', settings, entities: [colleagues], queries: [list] });
