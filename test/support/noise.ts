/** Noise that is the same for a seed. */
import { seeded } from '#test/sim/random.ts';

export const randomOf = (seed: number) => {
  const random = seeded(seed);
  return Object.assign(random, {
    /** Of mean 0 and deviation 1 (Box and Muller). */
    normal: (): number => Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random()),
    shuffled: <T>(all: readonly T[]): T[] =>
      all
        .map((one) => [random(), one] as const)
        .sort(([a], [b]) => a - b)
        .map(([, one]) => one),
  });
};
