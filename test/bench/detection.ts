/** How well changes are found in labelled series: the product's detector beside simple ones, scored as NAB's paper says. */
import type { Bench, Result } from './bench.ts';
import { bestThreshold, oncePerEpisode, product, threshold, windowedGaussian } from './nab/contenders.ts';
import { type Detector, judge, probationOf } from './nab/score.ts';
import { readNab } from './nab/series.ts';

const detectors: Record<string, Detector> = {
  product,
  'product-episodes': oncePerEpisode(product),
  threshold,
  'best-threshold': bestThreshold,
  'windowed-gaussian': windowedGaussian,
  'windowed-gaussian-episodes': oncePerEpisode(windowedGaussian),
};

export const detection: Bench = {
  cases: Object.keys(detectors),
  run: async (name, { nab }) => {
    const detector = detectors[name];
    if (!detector) throw new Error(`there is no detector "${name}": name one of ${Object.keys(detectors).join(', ')}`);
    if (nab === undefined) throw new Error('name the folder of the Numenta Anomaly Benchmark: npm run bench -- detection --nab <folder>');
    const { series, profiles } = await readNab(nab);
    const scored = series.map((each) => ({ series: each, scores: detector(each, probationOf(each.times.length)) }));
    return profiles.flatMap((profile): Result[] => {
      const { score, detected, windows, falseAlarms } = judge(scored, profile);
      return [
        { figure: `${profile.name}_score`, value: score, unit: 'of 100' },
        { figure: `${profile.name}_detected`, value: detected, unit: `of ${windows}` },
        { figure: `${profile.name}_false_alarms`, value: falseAlarms, unit: `in ${series.length} series` },
      ];
    });
  },
};
