/** Tasks, what agents say of them, and agents that come and go. */
import { createFunction } from '#shared/function/create-function.ts';
import { bulkheadKind } from '#shared/tasks/bulkhead.ts';
import { markerKind } from '#shared/tasks/waiting.ts';
import { slots } from './agents.ts';
import { tasks } from './decide.ts';
import { show } from './queries.ts';
import { settings } from './settings.ts';

export const handler = createFunction({
  name: 'task-assignment',
  settings,
  entities: [tasks, slots],
  kinds: [markerKind, bulkheadKind],
  queries: [show],
});
