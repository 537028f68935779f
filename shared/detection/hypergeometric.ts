/** The upper tail of the hypergeometric distribution: Fisher's exact test (1922), one-sided. Pure. */
import { logChoose } from './log-gamma.ts';

/** Of `population`, `marked` are of a kind; `drawn` are drawn by chance: how probable at least `hits` of the kind are. */
export const fisherTail = ({
  population,
  marked,
  drawn,
  hits,
}: {
  population: number;
  marked: number;
  drawn: number;
  hits: number;
}): number => {
  let sum = 0;
  for (let k = hits; k <= Math.min(marked, drawn); k++)
    sum += Math.exp(logChoose(marked, k) + logChoose(population - marked, drawn - k) - logChoose(population, drawn));
  return Math.min(1, sum);
};
