/**
 * Which errors pass by themselves. A transient one is tried again; poison comes back as it went until somebody mends the
 * message or the code, so it waits for a person. Pure.
 *
 * A code that is not here is poison: whoever invents one knows better than a guess, and an operator can replay it.
 */
export type Nature = 'transient' | 'poison';

export const NATURES: Readonly<Record<string, Nature>> = {
  // The function or what it needs was not there, or too slow.
  timeout: 'transient',
  deadline: 'transient',
  throttled: 'transient',
  unreachable: 'transient',
  table_unavailable: 'transient',
  load_failed: 'transient',
  query_failed: 'transient',
  // Too many wrote the same entity at once.
  conflict: 'transient',

  // The message is wrong.
  unrouted: 'poison',
  bad_subject: 'poison',
  bad_id: 'poison',
  not_json: 'poison',
  invalid_body: 'poison',
  unreadable: 'poison',
  too_large: 'poison',
  entity_too_large: 'poison',
  // The code or the state is.
  function_error: 'poison',
  malformed: 'poison',
  decide_failed: 'poison',
  state_unreadable: 'poison',
  publish_refused: 'poison',
  publish_failed: 'poison',
  // It kills what touches it.
  exhausted: 'poison',
  tombstoned: 'poison',
  // A consumer that is not the bridge's gave it up; the server tells without the bytes.
  max_deliveries: 'poison',
  terminated: 'poison',
};

export const natureOf = (code: string): Nature => (Object.hasOwn(NATURES, code) ? (NATURES[code] as Nature) : 'poison');
