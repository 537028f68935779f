/** Lifecycle events and heartbeats of the agents, and who asks for them. */
import { createFunction } from '#shared/function/create-function.ts';
import { agents } from './decide.ts';
import { find, resolve } from './discovery.ts';
import { domainKind, settings } from './domain.ts';

export const handler = createFunction({
  name: 'agent-registry',
  settings,
  entities: [agents],
  kinds: [domainKind],
  queries: [resolve, find],
});
