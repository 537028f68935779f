/** Fields that several messages have. The rules are sentences: they are what the sender of a bad message gets to read. */
import * as z from 'zod';
import { TOKEN } from '#shared/subjects.ts';

export const ID_RULE = 'must be one token of letters, digits, _ and -';
export const TIME_RULE = 'must be an ISO 8601 time with its zone, such as 2026-01-31T12:00:00Z';

/** An id: it must be able to stand in a subject. */
export const id = z.string({ error: ID_RULE }).regex(TOKEN, { error: ID_RULE });
/** An ISO 8601 time with a zone. */
export const time = z.iso.datetime({ offset: true, error: TIME_RULE });
export const count = z.int().min(0);
export const atLeastOne = z.int().min(1);

export const severity = z.enum(['low', 'medium', 'high', 'critical']);
export type Severity = z.infer<typeof severity>;
export const priority = z.enum(['critical', 'high', 'normal', 'low']);
export type Priority = z.infer<typeof priority>;
