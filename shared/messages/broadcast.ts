/** Events for everybody who listens. */
import { subjects } from '#shared/subjects.ts';
import { defineMessage } from './message.ts';
import { opaque } from './opaque.ts';

export const broadcastGlobal = defineMessage({
  name: 'broadcastGlobal',
  subject: subjects.broadcastGlobal,
  by: 'core',
  body: opaque,
});

export const broadcastDomain = defineMessage({
  name: 'broadcastDomain',
  subject: subjects.broadcastDomain,
  by: 'core',
  body: opaque,
});

export const broadcastEmergency = defineMessage({
  name: 'broadcastEmergency',
  subject: subjects.broadcastEmergency,
  by: 'core',
  body: opaque,
});
