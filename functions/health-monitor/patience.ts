/** How long an agent may be silent: until it is suspected by phi, until it is given up, by the fixed rule at the latest. Pure. */
import { distributionOf, elapsedAt, type PhiParameters } from '#shared/detection/phi.ts';
import type { Health } from './health.ts';
import type { Settings } from './settings.ts';

/** ms, whole ones: after the last sign of life (`suspectAfter`, `fixed`), after the suspicion began (`askFor`). */
export type Patience = { suspectAfter: number; askFor: number; fixed: number };

export const patienceWith = ({ rhythm, intervalMs }: Pick<Health, 'rhythm' | 'intervalMs'>, settings: Settings): Patience => {
  const { minDeviationMs, acceptablePauseMs, threshold, missed } = settings;
  const parameters: PhiParameters = { expectedIntervalMs: intervalMs ?? settings.intervalMs, minDeviationMs, acceptablePauseMs };
  const { mean } = distributionOf(rhythm, parameters);
  const fixed = Math.ceil(missed * Math.max(settings.intervalMs, intervalMs ?? 0, mean));
  // At least the last third is for the answer to the question whether it is there.
  const suspectAfter = Math.ceil(Math.min(elapsedAt(threshold, rhythm, parameters), (2 / 3) * fixed));
  const askFor = Math.ceil(Math.min(mean + acceptablePauseMs, fixed - suspectAfter));
  return { suspectAfter, askFor, fixed };
};
