/** Lifecycle events and heartbeats of the agents, and who asks for them. */
import { createFunction } from '#shared/function/create-function.ts';
import { agents } from './decide.ts';
import { domainKind } from './domain.ts';
import { find, resolve } from './queries.ts';
import { settings } from './settings.ts';

export const handler = createFunction({
  name: 'agent-registry',
  settings,
  entities: [agents],
  kinds: [domainKind],
  queries: [resolve, find],
});
