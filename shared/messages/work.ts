/** Work for whoever takes it first, by domain and priority. */
import { subjects } from '#shared/subjects.ts';
import { defineMessage } from './message.ts';
import { opaque } from './opaque.ts';

export const work = defineMessage({ name: 'work', subject: subjects.work, by: 'WORK_QUEUE', body: opaque });
