/** An id made of what a message says: the same content has the same id, whatever the order of its fields. Pure. */
import { createHash } from 'node:crypto';

/** 32 hex digits: one token. */
export const contentId = (content: unknown): string => createHash('sha256').update(canonical(content)).digest('hex').slice(0, 32);

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
