/** Names under which functions measure themselves in CloudWatch. */

export const METRICS_NAMESPACE = 'MisterSmith';
/** Only where there were any: the circuits of the fleet that the invocation opened. */
export const CIRCUITS_OPENED = 'CircuitsOpened';
