/** The wire's time, ISO 8601 in UTC, of epoch ms. */
export const iso = (time: number): string => new Date(time).toISOString();
