/** What is known of how an agent does now: as it measures itself, and as the calls to it went. Pure. */
import type { Circuit } from '#shared/circuit/circuit.ts';
import { expectedMs } from '#shared/circuit/response.ts';
import type { Figures } from '#shared/metrics/figures.ts';
import type { Candidate } from './candidate.ts';

/** A figure that is older says nothing of now. */
const MAX_AGE_MS = 300_000;

/** `now`: epoch ms. */
export const withFigures = (candidate: Candidate, circuit: Circuit | undefined, figures: Figures = {}, now: number): Candidate => {
  const fresh = (figure: Figures['cpu']) => (figure && now - figure.at <= MAX_AGE_MS ? figure.value : undefined);
  return {
    ...candidate,
    cpu: fresh(figures.cpu),
    memory: fresh(figures.memory),
    errorRate: fresh(figures.errorRate),
    responseMs: expectedMs(circuit?.response, now) ?? fresh(figures.responseTimeMs),
  };
};
