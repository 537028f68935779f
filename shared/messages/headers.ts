/** Headers by name. NATS keeps the case that the sender wrote; readers must not care. */
import type { Headers } from '#shared/contract.ts';

/** The first value of a header, whatever the case of its name. */
export const headerOf = (headers: Headers, name: string): string | undefined => {
  const exact = headers[name];
  if (exact) return exact[0];
  const lower = name.toLowerCase();
  for (const key in headers) if (key.toLowerCase() === lower) return headers[key]?.[0];
  return undefined;
};
