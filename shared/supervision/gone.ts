/** Whether a failure leaves nobody there: what the agent had is free for others. Pure. */
import type { Failure } from '#shared/messages/supervision.ts';

export const isGone = ({ failure_type, severity }: Pick<Failure, 'failure_type' | 'severity'>): boolean =>
  failure_type === 'process_crash' || (failure_type === 'timeout_failure' && (severity === 'high' || severity === 'critical'));
