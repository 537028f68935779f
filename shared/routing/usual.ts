/**
 * What a candidate is taken for that never gave a figure: the usual one of those it is compared with, so that whoever tells nothing
 * is neither the best nor out of the question. Pure.
 */
import type { Candidate } from './candidate.ts';

export type Usual = { cpu: number; memory: number; errorRate: number /** ms */; response: number };

/** ms: below it nobody is faster than another. */
const FASTEST_MS = 0.1;
/** ms: where nobody tells it. */
const SOME_MS = 1;

/** One loop for all figures, for there may be ten thousand candidates. */
export const usualOf = (candidates: readonly Candidate[]): Usual => {
  let [cpu, cpus, memory, memories, errors, rates, speeds, responses] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (const candidate of candidates) {
    if (candidate.cpu !== undefined) {
      cpu += candidate.cpu;
      cpus++;
    }
    if (candidate.memory !== undefined) {
      memory += candidate.memory;
      memories++;
    }
    if (candidate.errorRate !== undefined) {
      errors += candidate.errorRate;
      rates++;
    }
    if (candidate.responseMs !== undefined) {
      speeds += 1 / Math.max(candidate.responseMs, FASTEST_MS);
      responses++;
    }
  }
  return {
    cpu: cpu / Math.max(cpus, 1),
    memory: memory / Math.max(memories, 1),
    errorRate: errors / Math.max(rates, 1),
    // The harmonic mean, that of speeds: one that is stuck does not make it long.
    response: responses === 0 ? SOME_MS : responses / speeds,
  };
};

export const responseOf = ({ responseMs }: Candidate, { response }: Usual): number =>
  responseMs === undefined ? response : Math.max(responseMs, FASTEST_MS);
