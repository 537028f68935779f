/**
 * A function's due alarms. Only the due ones: a consumer whose filter matches the schedule's own subject would get the
 * schedule itself, and acking it would delete the alarm.
 */

import type { Source } from '../ports/ports.ts';
import { dueSubjects, TIMERS_STREAM } from '../publish/timers.ts';
import { type JetStreamSourceOptions, jetstreamSource } from './jetstream-source.ts';

export const alarmSource = ({
  functionName,
  ...options
}: Omit<JetStreamSourceOptions, 'stream' | 'subjects'> & { functionName: string }): Promise<Source> =>
  jetstreamSource({ ...options, stream: TIMERS_STREAM, subjects: [dueSubjects(functionName)] });
