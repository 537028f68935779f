/**
 * What Rust's serde makes of the types of document 000, and the same in this protocol's spelling: the variant's name around
 * the fields becomes `type`, names of variants become snake case, system times become ISO 8601.
 */
import { isObject } from './opaque.ts';

/** Fields of each variant that hold a variant of another enum. */
const VARIANTS = new Map<string, readonly string[]>([
  ['Health', []],
  ['Failure', ['failure_type', 'severity']],
  ['Recovery', ['recovery_action']],
  ['Escalation', ['escalation_level']],
  ['SupervisorLifecycle', ['event_type']],
  ['TaskCoordination', ['coordination_type']],
  ['ResourceCoordination', ['coordination_type']],
  ['Consensus', ['message_type']],
  ['LeaderElection', ['message_type']],
  ['Synchronization', ['phase']],
]);

/** `MapReduce`, `map-reduce`, `MAP_REDUCE`: `map_reduce`. */
export const snakeCase = (text: string): string =>
  text
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[\s-]+/g, '_')
    .toLowerCase();

/** The ISO time of a serialised SystemTime, or undefined for anything else. */
export const fromSystemTime = (value: unknown): string | undefined => {
  if (!isObject(value) || typeof value.secs_since_epoch !== 'number') return undefined;
  const nanos = typeof value.nanos_since_epoch === 'number' ? value.nanos_since_epoch : 0;
  const date = new Date(value.secs_since_epoch * 1000 + Math.floor(nanos / 1e6));
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
};

/** `"Healthy"` as `{ state: 'healthy' }`, `{ "Degraded": { ... } }` as `{ state: 'degraded', ... }`; undefined for anything else. */
export const untag = (value: unknown, tag: string): Record<string, unknown> | undefined => {
  if (typeof value === 'string') return { [tag]: snakeCase(value) };
  if (!isObject(value)) return undefined;
  const [[variant, fields] = [undefined, undefined], ...more] = Object.entries(value);
  if (variant === undefined || more.length > 0) return undefined;
  return { ...(isObject(fields) ? fields : { value: fields }), [tag]: snakeCase(variant) };
};

/** Values deeper than this stay as they are: no type of 000 is that deep, and a hostile body may be. */
const MAX_DEPTH = 16;

const withIsoTimes = (value: unknown, depth = 0): unknown => {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value;
  if (Array.isArray(value)) return value.map((element) => withIsoTimes(element, depth + 1));
  const entries = Object.entries(value).map(([key, inner]) => [key, withIsoTimes(inner, depth + 1)]);
  return fromSystemTime(value) ?? Object.fromEntries(entries);
};

/** The variant and its fields, where the shape tells that it is one. */
const variantOf = (body: Record<string, unknown>): [string, Record<string, unknown>] | undefined => {
  if (typeof body.type === 'string' && VARIANTS.has(body.type)) return [body.type, body];
  let only: string | undefined;
  for (const key in body) {
    if (only !== undefined) return undefined;
    only = key;
  }
  if (only === undefined || !VARIANTS.has(only)) return undefined;
  const fields = body[only];
  return isObject(fields) ? [only, fields] : undefined;
};

/** The body as this protocol spells it; the same body where it is not a variant of 000. */
export const fromSerde = (body: unknown): unknown => {
  const found = isObject(body) && variantOf(body);
  if (!found) return body;
  const [variant, fields] = found;
  const { value, ...typed } = fields;
  const result = withIsoTimes(typed) as Record<string, unknown>;
  // The value of a consensus is the agents' own.
  if ('value' in fields) result.value = value;
  result.type = snakeCase(variant);
  if (variant === 'Health') result.status = untag(result.status, 'state') ?? result.status;
  for (const field of VARIANTS.get(variant) ?? []) {
    const { [field]: name, ...details } = untag(result[field], field) ?? { [field]: result[field] };
    result[field] = name;
    if (Object.keys(details).length > 0) result[`${field}_details`] = details;
  }
  if (typeof result.escalation_level === 'string') {
    // 000 does not say which level a name is; its subject has the number.
    result.escalation_level_name = result.escalation_level;
    delete result.escalation_level;
  }
  return result;
};
