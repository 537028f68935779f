/** `control.escalation.list`: the cases that are not resolved, by agent, a page at a time. */
import { listQuery } from '#shared/function/entity-query.ts';
import { controlEscalationList } from '#shared/messages/control.ts';
import { caseKind, toWire, UNRESOLVED } from './case.ts';

export const list = listQuery({
  message: controlEscalationList,
  kind: caseKind,
  lookup: () => UNRESOLVED,
  as: 'cases',
  item: (agentId, one) => (one.status === 'resolved' ? undefined : toWire(agentId, one)),
  // At most 2 KB each.
  most: 400,
});
