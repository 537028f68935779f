/**
 * Which entities a function touches in the table. It writes the kinds that it owns (`shared/kinds.ts`); what else it reads is
 * listed here, and a test holds the list against the code.
 */
import { ownerOf } from '#shared/kinds.ts';

export type TableAccess = {
  /** Kinds that it reads and writes. */
  owns: string[];
  /** Kinds that it only reads. */
  reads: string[];
  /** Kinds of others whose children it reads. */
  children: string[];
  /** Indexes that it queries. */
  indexes: ('lookup' | 'sweep')[];
};

const READS: Readonly<Record<string, Pick<TableAccess, 'reads' | 'indexes'> & Partial<TableAccess>>> = {
  addressing: { reads: ['agent'], indexes: ['lookup'] },
  'agent-registry': { reads: [], indexes: ['lookup'] },
  'alert-manager': { reads: [], indexes: ['lookup'] },
  broadcaster: { reads: ['agent'], indexes: ['lookup'] },
  'circuit-breaker': { reads: [], indexes: ['lookup'] },
  'command-dispatcher': { reads: ['agent'], indexes: ['lookup'] },
  'dlq-processor': { reads: [], indexes: ['lookup'] },
  election: { reads: [], indexes: ['lookup'] },
  escalation: { reads: ['agent', 'place', 'tree'], indexes: ['lookup'] },
  'failure-handler': { reads: ['agent', 'place', 'tree'], indexes: [] },
  'orchestrator-monitor': { reads: ['agent', 'place', 'tree'], indexes: ['lookup'] },
  'recovery-coordinator': { reads: ['agent', 'place', 'slots', 'supervisor', 'tree'], children: ['agent'], indexes: ['lookup'] },
  'pattern-detector': { reads: ['agent', 'place', 'tree'], indexes: ['lookup'] },
  barrier: { reads: [], indexes: ['lookup'] },
  'resource-manager': { reads: [], indexes: ['lookup'] },
  reconciler: { reads: ['circuit'], indexes: ['lookup', 'sweep'] },
  router: { reads: ['agent', 'agent-metrics', 'circuit', 'slots'], indexes: ['lookup'] },
  saga: { reads: ['task'], indexes: ['lookup'] },
  supervisor: { reads: ['agent'], indexes: [] },
  'task-assignment': { reads: ['agent', 'agent-metrics', 'circuit', 'routing'], indexes: ['lookup'] },
  'task-coordinator': { reads: ['agent', 'task'], indexes: ['lookup'] },
  workflow: { reads: [], indexes: ['lookup'] },
};

/** Undefined: the function has nothing to do with the table. */
export const tableAccess = (functionName: string): TableAccess | undefined => {
  const owns = Object.keys(ownerOf).filter((kind) => ownerOf[kind] === functionName);
  const { reads, children = [], indexes } = READS[functionName] ?? { reads: [], indexes: [] };
  const touched = [owns, reads, children, indexes].flat();
  return touched.length > 0 ? { owns, reads, children, indexes } : undefined;
};
