/** An agent as routing sees it: plain numbers, whatever they were read from. */
import type { CircuitState } from '#shared/circuit/circuit.ts';

export type Candidate = {
  id: string;
  domain?: string | undefined;
  zone?: string | undefined;
  capabilities: readonly string[];
  /** Tasks at once, at least 1. */
  capacity: number;
  /** Tasks that it has now. */
  active: number;
  /** How many more it may have now, the permits of its circuit counted. */
  room: number;
  /** What it says of itself, 0 to 1. */
  load: number;
  /** Shares from 0 to 1; undefined, here and below: it was never told. */
  cpu?: number | undefined;
  memory?: number | undefined;
  errorRate?: number | undefined;
  /** Peak EWMA of its response times. */
  responseMs?: number | undefined;
  /** When it was last chosen, epoch ms; 0: never. */
  last: number;
  /** Its virtual time under `weighted_round_robin`; undefined: it never had a turn. */
  turn?: number | undefined;
  healthy: boolean;
  /** undefined: nobody ever reported how its work went. */
  circuit: CircuitState | undefined;
};

/** The share of its capacity that is in use: above 1 where it has more than it may. */
export const usedShare = ({ active, capacity }: Candidate): number => active / capacity;
