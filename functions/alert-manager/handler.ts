/** Alerts, grouped into notifications for people, and what operators say of them. */
import { createFunction } from '#shared/function/create-function.ts';
import { groups } from './decide.ts';
import { notices, noticesKind } from './notices.ts';
import { list } from './queries.ts';
import { settings } from './settings.ts';
import { silences } from './silence.ts';

export const handler = createFunction({
  name: 'alert-manager',
  settings,
  entities: [groups, notices, silences],
  kinds: [noticesKind],
  queries: [list],
});
