/**
 * The score of the Numenta Anomaly Benchmark (Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms", ICMLA 2015):
 * in each labelled window the first detection counts, the more the earlier; a detection outside costs, the less the closer it
 * follows a window; a window without one costs. One threshold for all series, the best there is for the detector and the
 * profile. 0 is a detector that never says anything, 100 one that detects at the first point of every window and nowhere else.
 */

/** `windows`: first and last index of each, in order. */
export type Series = { name: string; times: number[]; values: number[]; windows: [first: number, last: number][] };
export type Profile = { name: string; tpWeight: number; fnWeight: number; fpWeight: number };

/** How anomalous each value is, from this and earlier values alone. `probation`: how many at the start are not scored. */
export type Detector = (series: Pick<Series, 'times' | 'values'>, probation: number) => number[];

export const probationOf = (length: number): number => Math.floor(0.15 * Math.min(length, 5000));

/** What a point is worth where it is detected. `window`: the one that it lies in. */
type Point = { score: number; worth: number; window: number | undefined };

const sigmoid = (position: number): number => (position > 3 ? -1 : 2 / (1 + Math.exp(5 * position)) - 1);
const BEST = sigmoid(-1);

const pointsOf = ({ times, windows }: Series, scores: readonly number[], { tpWeight, fpWeight }: Profile): Point[] =>
  scores.slice(probationOf(times.length)).map((score, n) => {
    const at = n + probationOf(times.length);
    const window = windows.findIndex(([first, last]) => first <= at && at <= last);
    const [first, last] = windows[window] ?? windows.findLast(([, last]) => last < at) ?? [];
    if (first === undefined || last === undefined) return { score, worth: -fpWeight, window: undefined };
    if (window < 0) return { score, worth: fpWeight * sigmoid((at - last) / (last - first)), window: undefined };
    return { score, worth: (tpWeight * sigmoid(-(last - at + 1) / (last - first + 1))) / BEST, window };
  });

export type Verdict = { score: number; threshold: number; detected: number; windows: number; falseAlarms: number };

/** The score of a detector at its best threshold, 100 at most. */
export const judge = (detected: readonly { series: Series; scores: readonly number[] }[], profile: Profile): Verdict => {
  const points = detected.flatMap(({ series, scores }, n) =>
    pointsOf(series, scores, profile).map((point) => ({
      ...point,
      window: point.window === undefined ? undefined : `${n}/${point.window}`,
    })),
  );
  const windows = detected.reduce((sum, { series }) => sum + series.windows.length, 0);
  const worthOf = new Map<string, number>();
  let falseAlarms = 0;
  let total = -profile.fnWeight * windows;
  let best = { total, threshold: Infinity, detected: 0, falseAlarms };
  points.sort((a, b) => b.score - a.score);
  for (const [n, { score, worth, window }] of points.entries()) {
    if (window === undefined) {
      falseAlarms++;
      total += worth;
    } else {
      const before = worthOf.get(window);
      total += Math.max(worth, before ?? -Infinity) - (before ?? -profile.fnWeight);
      worthOf.set(window, Math.max(worth, before ?? -Infinity));
    }
    if (points[n + 1]?.score !== score && total > best.total) best = { total, threshold: score, detected: worthOf.size, falseAlarms };
  }
  const none = -profile.fnWeight * windows;
  const { total: reached, ...rest } = best;
  return { score: (100 * (reached - none)) / (profile.tpWeight * windows - none), windows, ...rest };
};
