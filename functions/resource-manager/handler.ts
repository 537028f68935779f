/** Leases on resources, their waiters, and agents that are gone. */
import { createFunction } from '#shared/function/create-function.ts';
import { resources } from './decide.ts';
import { holdings } from './holdings.ts';
import { list, show } from './queries.ts';
import { holdingsKind } from './resource.ts';
import { settings } from './settings.ts';

export const handler = createFunction({
  name: 'resource-manager',
  settings,
  entities: [resources, holdings],
  kinds: [holdingsKind],
  queries: [show, list],
});
