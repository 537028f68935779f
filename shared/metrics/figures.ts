/** The figures that tell how an agent does at the moment: means in which what was measured longer ago weighs less. Pure. */
import * as z from 'zod';

export const FIGURES = ['load', 'responseTimeMs', 'errorRate', 'cpu', 'memory'] as const;
export type Figure = (typeof FIGURES)[number];

/** `at`: when it was last measured, epoch ms. In the unit in which the agent measures. */
const figureSchema = z.object({ value: z.number(), at: z.number() });
export const figuresSchema = z.partialRecord(z.enum(FIGURES), figureSchema);
export type Figures = z.infer<typeof figuresSchema>;

const FIGURE_OF: Readonly<Record<string, Figure>> = {
  current_load: 'load',
  response_time_ms: 'responseTimeMs',
  error_rate: 'errorRate',
  cpu_usage: 'cpu',
  memory_usage: 'memory',
};

/** After so long without a sample the next one counts for two thirds (an exponentially weighted mean over uneven intervals). */
const TIME_CONSTANT_MS = 30_000;

/** The figures after a sample. A metric that is none of them, and a sample older than the figure, change nothing. */
export const follow = (figures: Figures, metric: string, value: number, at: number): Figures => {
  const figure = Object.hasOwn(FIGURE_OF, metric) ? FIGURE_OF[metric] : undefined;
  if (!figure) return figures;
  const before = figures[figure];
  if (!before) return { ...figures, [figure]: { value, at } };
  if (at <= before.at) return figures;
  const weight = 1 - Math.exp((before.at - at) / TIME_CONSTANT_MS);
  return { ...figures, [figure]: { value: before.value + weight * (value - before.value), at } };
};
