/**
 * From a p-value to the confidence that it was not chance: Sellke, Bayarri and Berger, "Calibration of p values for testing
 * precise null hypotheses", The American Statistician 55 (2001). Where chance and pattern are as likely before, chance is at least
 * as likely as 1 / (1 + 1 / (-e p ln p)) after it: 0.05 is a confidence of 0.71 at most, 0.001 of 0.98. Pure.
 */

/** 0.5 (it says nothing) to 1, to three digits. */
export const confidenceOf = (p: number): number => {
  if (p >= 1 / Math.E) return 0.5;
  const forChance = p <= 0 ? 0 : -Math.E * p * Math.log(p);
  return Math.round(1000 / (1 + forChance)) / 1000;
};
