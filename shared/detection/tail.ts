/**
 * How rare a deviation is among those seen so far, in constant memory: peaks over a threshold (Siffer, Fouque, Termier and
 * Largouët, "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017). The threshold follows a quantile (Robbins and
 * Monro 1951); what exceeds it is a generalised Pareto distribution, fitted by its moments (Hosking and Wallis 1987). So a series
 * that jumps now and then by nature is not found rare for it, whatever its distribution. Pure.
 */

export type Tail = {
  seen: number;
  quantile: number;
  /** Mean deviation, without the largest. */
  scale: number;
  /** How many exceeded the quantile, the mean of by how much, and of its square. */
  peaks: number;
  mean: number;
  square: number;
};

export const newTail: Tail = { seen: 0, quantile: 0, scale: 0, peaks: 0, mean: 0, square: 0 };

/** The share of deviations that are peaks. */
const SHARE = 0.1;
const WARM_UP = 20;
const LEAST_PEAKS = 5;
/** The weight of a new peak, once there are more than 1 / weight. */
const PEAK_WEIGHT = 0.02;
const CLIP = 5;
const RAREST = 1e-12;

/** A deviation (0 or more) is seen: `p`, how probable one as large was by those before; 1 below the quantile. `least`: differences that do not count. */
export const observeDeviation = (tail: Tail, deviation: number, least: number): { tail: Tail; p: number } => {
  const seen = tail.seen + 1;
  const warm = seen > WARM_UP;
  const clipped = warm ? Math.min(deviation, CLIP * tail.scale + least) : deviation;
  const scale = tail.scale + Math.max(0.01, 1 / seen) * (clipped - tail.scale);
  const step = (scale + least) * Math.max(0.02, seen ** -0.6);
  const isPeak = deviation > tail.quantile;
  const after = { ...tail, seen, scale, quantile: Math.max(0, tail.quantile + step * (isPeak ? 1 - SHARE : -SHARE)) };
  if (!warm || !isPeak) return { tail: after, p: 1 };
  const excess = deviation - tail.quantile;
  const weight = Math.max(PEAK_WEIGHT, 1 / (tail.peaks + 1));
  const learned = {
    peaks: tail.peaks + 1,
    mean: tail.mean + weight * (excess - tail.mean),
    square: tail.square + weight * (excess ** 2 - tail.square),
  };
  return { tail: { ...after, ...learned }, p: tail.peaks < LEAST_PEAKS ? 1 : SHARE * paretoTail(tail, excess, least) };
};

const paretoTail = ({ mean, square }: Tail, excess: number, least: number): number => {
  const ratio = mean ** 2 / Math.max(square - mean ** 2, 1e-12 * mean ** 2, Number.MIN_VALUE);
  // Beyond a half it has no variance to fit.
  const shape = Math.min(Math.max((1 - ratio) / 2, -0.2), 0.5);
  const size = (mean * (ratio + 1)) / 2 + least;
  if (Math.abs(shape) < 1e-3) return Math.max(RAREST, Math.exp(-excess / size));
  const base = 1 + (shape * excess) / size;
  return base <= 0 ? RAREST : Math.max(RAREST, base ** (-1 / shape));
};
