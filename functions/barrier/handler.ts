/** Arrivals at barriers, and participants that are gone. */
import { createFunction } from '#shared/function/create-function.ts';
import { barriers } from './decide.ts';
import { parties, partyKind } from './party.ts';
import { list, show } from './queries.ts';
import { settings } from './settings.ts';

export const handler = createFunction({
  name: 'barrier',
  settings,
  entities: [barriers, parties],
  kinds: [partyKind],
  queries: [show, list],
});
