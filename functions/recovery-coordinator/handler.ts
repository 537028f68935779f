/** `supervision.recovery.*`, and what agents and supervisors say while they are recovered. */
import { createFunction } from '#shared/function/create-function.ts';
import { recoveries } from './decide.ts';
import { list } from './queries.ts';
import { restartsKind } from './recovery.ts';
import { settings } from './settings.ts';

export const handler = createFunction({
  name: 'recovery-coordinator',
  settings,
  entities: [recoveries],
  kinds: [restartsKind],
  queries: [list],
});
