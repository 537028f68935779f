/**
 * Rewrites what a schema complained of, where it is plain what was meant: another spelling of an enum's value or of a time,
 * a number in quotes, null for an absent field. It looks only where an issue points, so a valid body costs nothing.
 */
import type * as z from 'zod';
import { TIME_RULE } from './fields.ts';
import { isObject } from './opaque.ts';
import { fromSystemTime, snakeCase, untag } from './serde.ts';

type Issue = z.core.$ZodIssue;
type Fields = Record<PropertyKey, unknown>;

/** Between these a number is seconds (1973 to 5138), above it milliseconds. */
const EPOCH_SECONDS = 1e11;
const MAX_EPOCH_MS = 1e14;

/** An ISO time of epoch seconds or milliseconds, a Rust SystemTime, or an ISO time that forgot its zone: Python writes UTC so. */
const fromLooseTime = (value: unknown): string | undefined => {
  if (typeof value === 'number' && value >= 0 && value < MAX_EPOCH_MS)
    return new Date(value < EPOCH_SECONDS ? value * 1000 : value).toISOString();
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(value)) return `${value.replace(' ', 'T')}Z`;
  return fromSystemTime(value);
};

const inQuotes = (value: unknown): number | undefined =>
  typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : undefined;

/** What belongs at the issue's place instead; undefined: what is there is not understood. */
const meant = (issue: Issue, value: unknown): unknown => {
  if (issue.message === TIME_RULE) return fromLooseTime(value);
  if (issue.code === 'invalid_value' && typeof value === 'string') {
    const name = snakeCase(value);
    return name !== value && issue.values.includes(name) ? name : undefined;
  }
  if (issue.code === 'invalid_type' && (issue.expected === 'number' || issue.expected === 'int')) return inQuotes(value);
  return undefined;
};

/** Repairs a body in place. False: nothing could be done. */
export const repair = (body: unknown, issues: readonly Issue[]): boolean => {
  // Not `some`: every issue is looked at.
  const repaired = issues.filter((issue) => (wantsStatus(issue) ? untagStatus(body) : repairAt(body, issue)));
  return repaired.length > 0;
};

const repairAt = (body: unknown, issue: Issue): boolean => {
  const key = issue.path.at(-1);
  const parent = issue.path.slice(0, -1).reduce<unknown>((at, step) => (at as Fields | undefined)?.[step], body);
  if (key === undefined || typeof parent !== 'object' || parent === null) return false;
  const value = (parent as Fields)[key];
  if (value === null && !Array.isArray(parent)) return delete (parent as Fields)[key];
  const better = meant(issue, value);
  if (better !== undefined) (parent as Fields)[key] = better;
  return better !== undefined;
};

/** The status of a health event is missing its `state`, or is no object. */
const wantsStatus = ({ path, ...issue }: Issue): boolean =>
  path[0] === 'status' && (path.length === 1 ? issue.code === 'invalid_type' && issue.expected === 'object' : path[1] === 'state');

/** In Rust it is a variant: `"Healthy"`, `{ "Degraded": { ... } }`. One with a `state` may yet be misspelt there. */
const untagStatus = (body: unknown): boolean => {
  if (!isObject(body)) return false;
  const { status } = body;
  if (isObject(status) && typeof status.state === 'string') {
    const state = snakeCase(status.state);
    const misspelt = state !== status.state;
    status.state = state;
    return misspelt;
  }
  const untagged = untag(status, 'state');
  if (untagged) body.status = untagged;
  return untagged !== undefined;
};
