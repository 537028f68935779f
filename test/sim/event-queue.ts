/** Events in the order of their times: a binary heap. Those of one time come in the order in which they were put. */
export type Queued<E> = { at: number; event: E };

export const eventQueue = <E>() => {
  const heap: (Queued<E> & { turn: number })[] = [];
  let turns = 0;
  const isBefore = (a: number, b: number): boolean => {
    const [x, y] = [heap[a], heap[b]];
    if (!x || !y) return x !== undefined;
    return x.at - y.at < 0 || (x.at === y.at && x.turn < y.turn);
  };
  const swap = (a: number, b: number): void => {
    [heap[a], heap[b]] = [heap[b] as (typeof heap)[0], heap[a] as (typeof heap)[0]];
  };
  return {
    put: (at: number, event: E): void => {
      heap.push({ at, event, turn: turns++ });
      for (let n = heap.length - 1, up = (n - 1) >> 1; n > 0 && isBefore(n, up); n = up, up = (n - 1) >> 1) swap(n, up);
    },
    take: (): Queued<E> | undefined => {
      if (heap.length === 0) return undefined;
      swap(0, heap.length - 1);
      const first = heap.pop();
      for (let n = 0; ; ) {
        const child = isBefore(2 * n + 2, 2 * n + 1) && 2 * n + 2 < heap.length ? 2 * n + 2 : 2 * n + 1;
        if (child >= heap.length || !isBefore(child, n)) return first;
        swap(n, child);
        n = child;
      }
    },
  };
};
