/** The states of an agent (document 003) and what moves it between them. A new event is a new column of the table. Pure. */

export const LIFECYCLES = ['unregistered', 'registering', 'registered', 'active', 'draining', 'suspended', 'terminated'] as const;

export type Lifecycle = (typeof LIFECYCLES)[number];

/** `announced`: heard at `agents.registry.available`; the others are the verbs of `agent.<id>.<verb>`. */
export type LifecycleEvent = 'announced' | 'created' | 'started' | 'ready' | 'stopped' | 'error';

/**
 * unregistered: heard of only by heartbeats. registering: it said that it is there, `created` is still to come.
 * draining and suspended begin with commands, so nothing in the table leads there.
 */
const TRANSITIONS: Record<Lifecycle, Partial<Record<LifecycleEvent, Lifecycle>>> = {
  unregistered: { announced: 'registering', created: 'registered', started: 'registering', stopped: 'terminated' },
  registering: {
    announced: 'registering',
    created: 'registered',
    started: 'registering',
    ready: 'active',
    error: 'registering',
    stopped: 'terminated',
  },
  registered: {
    announced: 'registered',
    created: 'registered',
    started: 'registered',
    ready: 'active',
    error: 'registered',
    stopped: 'terminated',
  },
  active: { announced: 'active', ready: 'active', error: 'active', stopped: 'terminated' },
  draining: { announced: 'draining', error: 'draining', stopped: 'terminated' },
  suspended: { announced: 'suspended', error: 'suspended', stopped: 'terminated' },
  terminated: { announced: 'registering', created: 'registered', started: 'registering', stopped: 'terminated' },
};

/** Where an event leads; undefined: it is illegal there. */
export const transition = (from: Lifecycle, event: LifecycleEvent): Lifecycle | undefined => TRANSITIONS[from][event];

/** Whether an agent in this state has a place in its domain. */
export const isMember = (lifecycle: Lifecycle): boolean => lifecycle !== 'unregistered' && lifecycle !== 'terminated';

/** Whether other agents may count on it being there, so that the bucket AGENT_STATE shows it. */
export const isInService = (lifecycle: Lifecycle): boolean =>
  lifecycle === 'active' || lifecycle === 'draining' || lifecycle === 'suspended';
