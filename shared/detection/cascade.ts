/**
 * Whether failures spread along links between those who failed, and from where. Each one but the first is explained when one that
 * failed before leads to it. By chance it would be, too: with j before it, with probability 1 - (1 - share)^j, where `share` is how many
 * of all pairs are linked. The p-value is the tail of that sum (poisson-binomial.ts). Pure.
 */
import { trialsTail } from './poisson-binomial.ts';

export type Cascade = {
  /** From which most of the others are reached. */ origin: string /** It and what is reached, in time order. */;
  agents: string[];
  p: number;
};

/** `failed`: in the order of their failures, each once. `leads`: whether a failure of one may cause that of the other. */
export const cascade = (failed: readonly string[], leads: (from: string, to: string) => boolean, share: number): Cascade => {
  const reaches = failed.map((id) => [id]);
  let explained = 0;
  for (const [n, id] of failed.entries()) {
    const causes = failed.slice(0, n).filter((earlier) => leads(earlier, id));
    if (causes.length > 0) explained++;
    for (const reach of reaches.slice(0, n)) if (causes.some((cause) => reach.includes(cause))) reach.push(id);
  }
  const byChance = failed.slice(1).map((_, n) => 1 - (1 - share) ** (n + 1));
  const agents = reaches.reduce((best, reach) => (reach.length > best.length ? reach : best), []);
  return { origin: agents[0] ?? '', agents, p: trialsTail(explained, byChance) };
};
