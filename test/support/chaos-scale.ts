/** CHAOS_KILLS makes a longer run, by hand: of 500 kills instead of 50, and ten times as much of everything else. */
const KILLS = 50;

/** So many, in a run of the usual length. */
export const scaled = (count: number): number => Math.max(1, Math.round((count * Number(process.env.CHAOS_KILLS || KILLS)) / KILLS));
