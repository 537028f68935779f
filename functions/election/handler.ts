/** Votes and heartbeats of candidates, what document 000 says of elections, agents that are gone, and what operators ask. */
import { createFunction } from '#shared/function/create-function.ts';
import { elections } from './decide.ts';
import { electionKind, leadershipKind } from './election.ts';
import { leaderships } from './leaving.ts';
import { list, show } from './queries.ts';
import { settings } from './settings.ts';

export const handler = createFunction({
  name: 'election',
  settings,
  entities: [elections, leaderships],
  queries: [show, list],
  // Each of the two writes the other's, too.
  kinds: [electionKind, leadershipKind],
});
