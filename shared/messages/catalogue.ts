/** All messages, and which of them a subject carries. */
import * as z from 'zod';
import { subjectMatcher } from '#shared/subject-matcher.ts';
import { paramNames, parseSubject, type SubjectPattern } from '#shared/subjects.ts';
import * as alert from './alert.ts';
import * as barrier from './barrier.ts';
import * as broadcast from './broadcast.ts';
import * as circuit from './circuit.ts';
import * as command from './command.ts';
import * as consensus from './consensus.ts';
import * as control from './control.ts';
import * as controlCoordination from './control-coordination.ts';
import * as controlRouting from './control-routing.ts';
import * as controlSupervision from './control-supervision.ts';
import * as deadLetter from './dead-letter.ts';
import * as discovery from './discovery.ts';
import * as election from './election.ts';
import * as healthCheck from './health-check.ts';
import * as lifecycle from './lifecycle.ts';
import type { AnyMessage, CarriedBy } from './message.ts';
import * as metrics from './metrics.ts';
import * as orchestrator from './orchestrator.ts';
import * as phase2 from './phase2.ts';
import * as resource from './resource.ts';
import * as routing from './routing.ts';
import * as scatterGather from './scatter-gather.ts';
import * as supervision from './supervision.ts';
import * as supervisor from './supervisor.ts';
import * as task from './task.ts';
import * as work from './work.ts';
import * as workflow from './workflow.ts';

const families = [
  lifecycle,
  command,
  discovery,
  supervision,
  supervisor,
  alert,
  task,
  resource,
  consensus,
  election,
  barrier,
  scatterGather,
  workflow,
  work,
  broadcast,
  circuit,
  deadLetter,
  metrics,
  healthCheck,
  orchestrator,
  phase2,
  routing,
  control,
  controlCoordination,
  controlRouting,
  controlSupervision,
];

const isMessage = (exported: unknown): exported is AnyMessage =>
  typeof exported === 'object' && exported !== null && 'name' in exported && 'subject' in exported && 'by' in exported;

export const catalogue: readonly AnyMessage[] = families.flatMap((family) => Object.values(family).filter(isMessage));

const byName = new Map(catalogue.map((message) => [message.name, message]));
const bySubject = new Map(catalogue.map((message) => [message.subject as SubjectPattern, message]));
const match = subjectMatcher([...bySubject.keys()]);

export const messageByName = (name: string): AnyMessage | undefined => byName.get(name);

/** The message that a subject carries; undefined: the catalogue does not know the subject. */
export const messageBySubject = (subject: string): AnyMessage | undefined => {
  const pattern = match(subject);
  return pattern === undefined ? undefined : bySubject.get(pattern);
};

/** The parameters of a message's subject whose values its body lists: `severity`. */
const listedIn = ({ subject, body }: AnyMessage): [name: string, values: readonly unknown[]][] => {
  const fields: Record<string, unknown> = body instanceof z.ZodObject ? body.shape : {};
  return paramNames(subject).flatMap((name): [string, readonly unknown[]][] => {
    const field = fields[name];
    return field instanceof z.ZodEnum ? [[name, field.options]] : [];
  });
};

const listed = new Map(catalogue.map((message) => [message.name, listedIn(message)]));

/** A sentence about the parameter of a message's subject that is none of those its body lists. Undefined: all exist. */
export const strangeParam = ({ name, subject: pattern }: AnyMessage, subject: string): string | undefined => {
  const lists = listed.get(name) ?? [];
  if (lists.length === 0) return undefined;
  const params: Record<string, string> = parseSubject(pattern as SubjectPattern, subject) ?? {};
  const [strange] = lists.filter(([param, values]) => !values.includes(params[param]));
  if (!strange) return undefined;
  const [param, values] = strange;
  return `${param} ${JSON.stringify(params[param])} in the subject of ${pattern} does not exist: use one of ${values.join(', ')}`;
};

/** The patterns of all messages that a stream, `core` or `request` carries. */
export const patternsBy = (carrier: CarriedBy): SubjectPattern[] =>
  catalogue.filter((message) => message.by === carrier).map((message) => message.subject);
