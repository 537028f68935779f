/** What it costs to send to a candidate: the least is chosen. Pure. */
import type { Balancer, Factors } from '#shared/messages/routing-policy.ts';
import { type Candidate, usedShare } from './candidate.ts';
import { responseOf, usualOf } from './usual.ts';

export type CostOf = (candidate: Candidate) => number;

/** Peak EWMA (Finagle): how long it takes one after the other, with this one. */
const byResponseTime = (candidates: readonly Candidate[]): CostOf => {
  const usual = usualOf(candidates);
  return (candidate) => responseOf(candidate, usual) * (candidate.active + 1);
};

const byUtilization = (candidates: readonly Candidate[]): CostOf => {
  const usual = usualOf(candidates);
  return ({ cpu = usual.cpu, memory = usual.memory }) => (cpu + memory) / 2;
};

/**
 * All factors are from 0 to 1: shares as they are, tasks as the share of the capacity, and a response time against the usual one:
 * half for the usual, more for slower ones, never 1.
 */
const byFactors = (weights: Factors, candidates: readonly Candidate[]): CostOf => {
  const { cpu_usage = 0, memory_usage = 0, active_tasks = 0, response_time = 0, error_rate = 0 } = weights;
  const usual = usualOf(candidates);
  return (candidate) => {
    const { cpu = usual.cpu, memory = usual.memory, errorRate = usual.errorRate } = candidate;
    const response = responseOf(candidate, usual);
    return (
      cpu_usage * cpu +
      memory_usage * memory +
      active_tasks * usedShare(candidate) +
      response_time * (response / (response + usual.response)) +
      error_rate * errorRate
    );
  };
};

/** Balancers that look at nothing but what is known of the candidates now. */
type ByFigures = Exclude<Balancer, 'weighted_round_robin' | 'power_of_two_choices'>;

/** As compared with `candidates`. */
export const costBy = (balancer: ByFigures, candidates: readonly Candidate[]): CostOf => {
  if (typeof balancer === 'object') return byFactors(balancer.hybrid, candidates);
  switch (balancer) {
    case 'least_connections':
      return usedShare;
    case 'response_time':
      return byResponseTime(candidates);
    case 'resource_utilization':
      return byUtilization(candidates);
    default:
      throw balancer satisfies never;
  }
};
