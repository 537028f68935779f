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
  /** Indexes that it queries. */
  indexes: ('lookup' | 'sweep')[];
};

const READS: Readonly<Record<string, Omit<TableAccess, 'owns'>>> = {
  'agent-registry': { reads: [], indexes: ['lookup'] },
  'alert-manager': { reads: [], indexes: ['lookup'] },
  'circuit-breaker': { reads: [], indexes: ['lookup'] },
  'dlq-processor': { reads: [], indexes: ['lookup'] },
  escalation: { reads: ['agent', 'place', 'tree'], indexes: ['lookup'] },
  'failure-handler': { reads: ['agent', 'place', 'tree'], indexes: [] },
  'orchestrator-monitor': { reads: ['agent', 'place', 'tree'], indexes: ['lookup'] },
  'recovery-coordinator': { reads: ['agent', 'place', 'tree', 'supervisor', 'slots'], indexes: ['lookup'] },
  'pattern-detector': { reads: ['agent', 'place', 'tree'], indexes: ['lookup'] },
  reconciler: { reads: ['circuit'], indexes: ['lookup', 'sweep'] },
  supervisor: { reads: ['agent'], indexes: [] },
  'task-assignment': { reads: ['agent', 'circuit'], indexes: ['lookup'] },
};

/** Undefined: the function has nothing to do with the table. */
export const tableAccess = (functionName: string): TableAccess | undefined => {
  const owns = Object.keys(ownerOf).filter((kind) => ownerOf[kind] === functionName);
  const { reads, indexes } = READS[functionName] ?? { reads: [], indexes: [] };
  return owns.length + reads.length + indexes.length === 0 ? undefined : { owns, reads, indexes };
};
