/** What is kept of an error or a reason that somebody gives: enough for people, and no more than an item of the table bears. Pure. */

const MAX_CHARS = 1000;

/** As it is, or the beginning of its JSON. */
export const shortened = (said: unknown): unknown => {
  const text = typeof said === 'string' ? said : (JSON.stringify(said) ?? '');
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : said;
};
