/** The states of an agent (document 003) and what moves it between them. A new event is a new column of the table. Pure. */

export const LIFECYCLES = ['unregistered', 'registering', 'registered', 'active', 'draining', 'suspended', 'terminated'] as const;

export type Lifecycle = (typeof LIFECYCLES)[number];

/**
 * `announced`: heard at `agents.registry.available`; the others are the verbs of `agent.<id>.<verb>`. `suspended`, `resumed` and
 * `draining`: it answered a command.
 */
export type LifecycleEvent = 'announced' | 'created' | 'started' | 'ready' | 'stopped' | 'error' | 'suspended' | 'resumed' | 'draining';

/** A command may be answered in any state; where it says nothing the agent stays as it is. */
const unmoved = <State extends Lifecycle>(state: State) => ({ suspended: state, resumed: state, draining: state });

/** unregistered: heard of only by heartbeats. registering: it said that it is there, `created` is still to come. */
const TRANSITIONS: Record<Lifecycle, Partial<Record<LifecycleEvent, Lifecycle>>> = {
  unregistered: {
    announced: 'registering',
    created: 'registered',
    started: 'registering',
    stopped: 'terminated',
    ...unmoved('unregistered'),
  },
  registering: {
    announced: 'registering',
    created: 'registered',
    started: 'registering',
    ready: 'active',
    error: 'registering',
    stopped: 'terminated',
    ...unmoved('registering'),
    draining: 'draining',
  },
  registered: {
    announced: 'registered',
    created: 'registered',
    started: 'registered',
    ready: 'active',
    error: 'registered',
    stopped: 'terminated',
    ...unmoved('registered'),
    draining: 'draining',
  },
  active: {
    announced: 'active',
    ready: 'active',
    error: 'active',
    stopped: 'terminated',
    suspended: 'suspended',
    resumed: 'active',
    draining: 'draining',
  },
  draining: { announced: 'draining', error: 'draining', stopped: 'terminated', ...unmoved('draining') },
  suspended: {
    announced: 'suspended',
    error: 'suspended',
    stopped: 'terminated',
    suspended: 'suspended',
    resumed: 'active',
    draining: 'draining',
  },
  terminated: { announced: 'registering', created: 'registered', started: 'registering', stopped: 'terminated', ...unmoved('terminated') },
};

/** Where an event leads; undefined: it is illegal there. */
export const transition = (from: Lifecycle, event: LifecycleEvent): Lifecycle | undefined => TRANSITIONS[from][event];

/** Whether an agent in this state has a place in its domain. */
export const isMember = (lifecycle: Lifecycle): boolean => lifecycle !== 'unregistered' && lifecycle !== 'terminated';

/** Whether other agents may count on it being there, so that the bucket AGENT_STATE shows it. */
export const isInService = (lifecycle: Lifecycle): boolean =>
  lifecycle === 'active' || lifecycle === 'draining' || lifecycle === 'suspended';
