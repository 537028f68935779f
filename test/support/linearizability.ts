/**
 * Whether a history is linearizable: whether every operation can have taken effect at one moment between its call and its return,
 * so that a sequential object answers as was answered. Wing and Gong's search ("Testing and Verifying Concurrent Objects", 1993)
 * with Lowe's cache of what was tried ("Testing for linearizability", 2017). An operation that never returned may have taken
 * effect, or not.
 */
export type Operation = { call: number; return: number };

export type Sequential<Op extends Operation, State> = {
  initial: State;
  /** The state after the operation; undefined: it cannot have answered so. */
  apply: (state: State, op: Op) => State | undefined;
  /** Equal for states that are equal, and that tell which operations that never returned took effect. */
  key: (state: State) => string;
};

export const isLinearizable = <Op extends Operation, State>(
  history: readonly Op[],
  { initial, apply, key }: Sequential<Op, State>,
): boolean => {
  const ops = history.toSorted((a, b) => a.call - b.call || a.return - b.return);
  const tried = new Set<string>();
  const done = ops.map(() => false);
  const required = ops.flatMap((op, n) => (op.return === Infinity ? [] : [n]));
  let open = required.length;

  const search = (state: State): boolean => {
    if (open === 0) return true;
    const situation = `${required.map((n) => Number(done[n])).join('')} ${key(state)}`;
    if (tried.has(situation)) return false;
    tried.add(situation);
    const firstReturn = Math.min(...ops.flatMap((op, n) => (done[n] ? [] : [op.return])));
    for (const [n, op] of ops.entries()) {
      if (op.call > firstReturn) break;
      const after = done[n] ? undefined : apply(state, op);
      if (after === undefined) continue;
      done[n] = true;
      if (op.return !== Infinity) open--;
      if (search(after)) return true;
      done[n] = false;
      if (op.return !== Infinity) open++;
    }
    return false;
  };
  return search(initial);
};
