/**
 * Which function owns a kind of entity, and so is the only one that writes it: the reconciler wakes an entity through its
 * owner. A test holds this against the kinds of the functions.
 */
export const ownerOf: Readonly<Record<string, string>> = {
  agent: 'agent-registry',
  domain: 'agent-registry',
  failures: 'failure-handler',
  gather: 'gather-aggregator',
  escalation: 'escalation',
  task: 'task-assignment',
  slots: 'task-assignment',
  waiting: 'task-assignment',
  circuit: 'circuit-breaker',
  letter: 'dlq-processor',
  'letter-group': 'dlq-processor',
  'letter-operation': 'dlq-processor',
  sweep: 'reconciler',
  colleague: 'orchestrator-monitor',
};
