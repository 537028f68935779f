/** What the product's detector is compared with. */
import { observe, type Stream } from '#shared/detection/change.ts';
import type { Detector } from './score.ts';

const LEAST_DEVIATION = 1e-6;

const momentsOf = (values: readonly number[]) => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, deviation: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) };
};

/** Distance from the mean of the probation in its standard deviations: a threshold at its best place. */
export const bestThreshold: Detector = ({ values }, probation) => {
  const { mean, deviation } = momentsOf(values.slice(0, probation));
  return values.map((value) => Math.abs(value - mean) / Math.max(deviation, LEAST_DEVIATION));
};

/** A threshold as monitoring tools have it: three standard deviations of the probation from its mean. */
export const threshold: Detector = (series, probation) => bestThreshold(series, probation).map((distance) => Number(distance > 3));

const WINDOW = 6400;
const STEP = 100;
/** Beyond it the tail probability, which NAB takes, is the same in double precision. */
const FARTHEST = 8.2;

/** NAB's own baseline: the Gaussian tail by mean and deviation of the last 6400 values, which move on by 100 once they are full. */
export const windowedGaussian: Detector = ({ values }) => {
  let [n, sum, squares] = [0, 0, 0];
  return values.map((value, at) => {
    const mean = sum / n;
    const deviation = Math.max(Math.sqrt(Math.max(squares / n - mean ** 2, 0)), LEAST_DEVIATION);
    const score = n === 0 ? 0 : Math.min(Math.abs(value - mean) / deviation, FARTHEST);
    if (at < WINDOW) [n, sum, squares] = [n + 1, sum + value, squares + value ** 2];
    else if ((at - WINDOW) % STEP === STEP - 1) {
      const window = values.slice(at + 1 - WINDOW, at + 1);
      [sum, squares] = [window.reduce((a, b) => a + b, 0), window.reduce((a, b) => a + b * b, 0)];
    }
    return score;
  });
};

/** What pattern-detector looks for changes with, value by value. */
export const product: Detector = ({ values }) => {
  let stream: Stream | undefined;
  return values.map((value) => {
    const seen = observe(stream, value);
    stream = seen.stream;
    return seen.rarity;
  });
};

/** A day at the five minutes of the series. */
const REST = 288;

/** Once an episode: within a day of a score only a higher one is news. */
export const oncePerEpisode =
  (detector: Detector): Detector =>
  (series, probation) => {
    let [peak, at] = [0, 0];
    return detector(series, probation).map((score, n) => {
      if (n - at > REST) peak = 0;
      if (score <= peak) return 0;
      [peak, at] = [score, n];
      return score;
    });
  };
