/**
 * How many invocations of a function may be in flight: additive increase, multiplicative decrease (Chiu and Jain, 1989). The
 * lanes are the most; a refusal halves it, and each round of answers opens it by one.
 */
export type Permit = { end(how: 'answered' | 'refused'): void };

export type Concurrency = {
  /** Resolves when one more may begin, in the order of asking. */
  enter(): Permit | Promise<Permit>;
  limit(): number;
};

export const createConcurrency = (most: number): Concurrency => {
  let limit = most;
  let inFlight = 0;
  /** Those that were in flight together when it was halved do not halve it again. */
  let round = 0;
  const waiting: ((permit: Permit) => void)[] = [];

  const begin = (): Permit => {
    inFlight++;
    const mine = round;
    return {
      end(how) {
        inFlight--;
        if (how === 'answered') limit = Math.min(most, limit + 1 / limit);
        else if (mine === round) {
          round++;
          limit = Math.max(1, limit / 2);
        }
        while (waiting.length > 0 && inFlight < Math.floor(limit)) waiting.shift()?.(begin());
      },
    };
  };

  return {
    enter: () => (inFlight < Math.floor(limit) ? begin() : new Promise((resolve) => waiting.push(resolve))),
    limit: () => Math.floor(limit),
  };
};
