/**
 * Restart intensity, as Erlang/OTP's `supervisor` has it (`add_restart`): at most `intensity` restarts within any
 * `period` ms. Whoever restarts more often than that is not repaired by restarting. Pure.
 */

export type RestartIntensity = { intensity: number; period: number };

/**
 * `restarts`: epoch ms of the restarts so far, oldest first. Answers whether there may be one more at `now`, and the list to
 * keep: never longer than `intensity`. A clock behind the last restart counts as that restart's time.
 */
export const addRestart = (
  restarts: readonly number[],
  now: number,
  { intensity, period }: RestartIntensity,
): { allowed: boolean; restarts: number[] } => {
  const at = Math.max(now, restarts.at(-1) ?? now);
  const recent = restarts.filter((restart) => restart >= at - period);
  return recent.length < intensity ? { allowed: true, restarts: [...recent, at] } : { allowed: false, restarts: recent };
};
