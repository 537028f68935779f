/** What a task for many asks for: its parts, or why it cannot be done. Pure. */
import type { ErrorBody } from '#shared/contract.ts';
import type { Task } from '#shared/messages/task.ts';
import { MAX_PAYLOAD_BYTES } from '#shared/tasks/task.ts';
import { GROUP_TYPES, type GroupType, type Needs } from './state.ts';

/** Of a payload and of an answer: the answer of one part may be the payload of the next. */
export const MAX_BYTES = MAX_PAYLOAD_BYTES;
export const MAX_PARTS = 1000;
const MAX_NEEDS_BYTES = 16_384;
/** It has to fit the subjects and ids that are made of it. */
const MAX_ID = 100;
/** Entries and bytes of a page of the plan. */
const PAGE = { entries: 100, bytes: MAX_BYTES };

/** What a part is given; absent fields are as for all. */
export type Entry = { payload?: unknown; requirements?: Needs['requirements'] | undefined; participants?: string[] | undefined };

export type Plan = {
  type: GroupType;
  needs: Needs[];
  /** A broadcast's agents are not known yet, so it has no levels, and one entry for all of them. */
  levels: number[];
  entries: Entry[];
  names?: string[];
  fanIn?: number;
};

/** The field that says what the parts of a type are. */
const PARTS_IN = { broadcast: 'payload', parallel: 'parts', pipeline: 'stages', map_reduce: 'splits' } as const;

export const bytesOf = (value: unknown): number => (value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value)));

export const isGroupType = (type: Task['coordination_type']): type is GroupType => GROUP_TYPES.includes(type as GroupType);

/** A refusal, or the plan. */
export const planOf = (body: Task): { refused: ErrorBody } | { plan: Plan } => {
  const { task_id, coordination_type: type } = body;
  const refuse = (code: string, what: string) => ({ refused: { code, message: `task ${task_id} ${what}` } });
  if (!isGroupType(type))
    return refuse('not_supported', `is ${type}, which is no task for many: send it as one of ${GROUP_TYPES.join(', ')}`);
  if (task_id.length > MAX_ID) return refuse('bad_id', `has an id of ${task_id.length} characters: a task for many may have ${MAX_ID}`);
  const own = PARTS_IN[type];
  if (own !== 'payload' && body[own] === undefined) return refuse('no_parts', `is ${type} and has no ${own}: say there what its parts are`);
  const strange = (['parts', 'stages', 'splits'] as const).find((field) => field !== own && body[field] !== undefined);
  if (strange) return refuse('inconsistent', `is ${type} and has ${strange}, which is not for that type: leave it out, or change the type`);
  if (body.payload !== undefined && (type === 'parallel' || type === 'map_reduce'))
    return refuse('inconsistent', `is ${type} and has a payload: give each of its ${own} its own`);
  const min = body.requirements?.min_success ?? 0;
  if (type === 'parallel' && min > (body.parts?.length ?? 0))
    return refuse('inconsistent', `needs ${min} of ${body.parts?.length} parts to succeed: ask for fewer in min_success`);
  if ((body.participants?.length ?? 0) > MAX_PARTS)
    return refuse('too_many', `names more than ${MAX_PARTS} participants: send several tasks`);
  const plan = composed(body, type);
  if (bytesOf(plan.needs) > MAX_NEEDS_BYTES)
    return refuse('too_large', `has requirements of more than ${MAX_NEEDS_BYTES} bytes: name fewer`);
  const large = plan.entries.findIndex((entry) => bytesOf(entry) > MAX_BYTES);
  if (large !== -1)
    return refuse('too_large', `has more than ${MAX_BYTES} bytes in part ${large + 1}: store its payload elsewhere and send a reference`);
  return { plan };
};

const needsOf = ({ requirements, participants }: Task, more: Pick<Entry, 'requirements' | 'participants'> = {}): Needs => {
  const { timeout_ms: _, min_success: __, deadline: ___, ...shared } = requirements ?? {};
  const only = more.participants ?? participants;
  return { requirements: { ...shared, ...more.requirements }, ...(only && { participants: only }) };
};

const composed = (body: Task, type: GroupType): Plan => {
  const needs = [needsOf(body)];
  switch (type) {
    case 'broadcast':
      return { type, needs, levels: [], entries: [{ payload: body.payload }] };
    case 'parallel': {
      const entries = (body.parts ?? []).map(entryOf);
      return { type, needs, levels: [entries.length], entries };
    }
    case 'pipeline': {
      const stages = body.stages ?? [];
      const entries = stages.map((stage, n) => entryOf(n === 0 ? { ...stage, payload: stage.payload ?? body.payload } : stage));
      return { type, needs, levels: stages.map(() => 1), entries, names: stages.map(({ name }) => name) };
    }
    case 'map_reduce': {
      const entries = (body.splits ?? []).map((payload) => ({ payload }));
      const fanIn = body.reduce?.fan_in;
      const levels = [entries.length, ...reducesOf(entries.length, fanIn)];
      return { type, needs: [needsOf(body, body.map), needsOf(body, body.reduce)], levels, entries, ...(fanIn !== undefined && { fanIn }) };
    }
    default:
      throw type satisfies never;
  }
};

const entryOf = ({ payload, requirements, participants }: Entry): Entry => ({
  payload,
  ...(requirements && { requirements }),
  ...(participants && { participants }),
});

/** The sizes of the layers of reduces, up to the one that makes the result. */
const reducesOf = (results: number, fanIn = results): number[] => {
  const reduces = Math.max(1, Math.ceil(results / fanIn));
  return reduces === 1 ? [1] : [reduces, ...reducesOf(reduces, fanIn)];
};

/** The first entry of each page of the plan. */
export const pagesOf = (entries: readonly Entry[]): number[] => {
  const first: number[] = [];
  let bytes = 0;
  for (const [n, entry] of entries.entries()) {
    bytes += bytesOf(entry);
    if (n > 0 && bytes <= PAGE.bytes && n - (first.at(-1) ?? 0) < PAGE.entries) continue;
    first.push(n);
    bytes = bytesOf(entry);
  }
  return first;
};
