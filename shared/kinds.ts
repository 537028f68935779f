/**
 * Which function owns a kind of entity, and so is the only one that writes it: the reconciler wakes an entity through its
 * owner. A test holds this against the kinds of the functions.
 */
export const ownerOf: Readonly<Record<string, string>> = {
  agent: 'agent-registry',
  domain: 'agent-registry',
  health: 'health-monitor',
  failures: 'failure-handler',
  recovery: 'recovery-coordinator',
  restarts: 'recovery-coordinator',
  gather: 'gather-aggregator',
  escalation: 'escalation',
  task: 'task-assignment',
  slots: 'task-assignment',
  waiting: 'task-assignment',
  circuit: 'circuit-breaker',
  letter: 'dlq-processor',
  'letter-group': 'dlq-processor',
  'letter-operation': 'dlq-processor',
  'agent-metrics': 'metrics-collector',
  'component-metrics': 'metrics-collector',
  alerts: 'alert-manager',
  notices: 'alert-manager',
  silences: 'alert-manager',
  outbreak: 'pattern-detector',
  vitals: 'pattern-detector',
  sweep: 'reconciler',
  supervisor: 'supervisor',
  place: 'supervisor',
  tree: 'supervisor',
  colleague: 'orchestrator-monitor',
};
