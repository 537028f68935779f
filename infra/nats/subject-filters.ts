/** What two subject filters have to do with each other. */

const walk = (a: string, b: string, covers: boolean): boolean => {
  const [left, right] = [a.split('.'), b.split('.')];
  for (const [at, token] of left.entries()) {
    const other = right[at];
    if (token === '>') return other !== undefined;
    if (other === undefined) return false;
    if (other === '>') return !covers;
    if (token === other || token === '*') continue;
    if (covers || other !== '*') return false;
  }
  return left.length === right.length;
};

/** Whether the first matches every subject that the second matches. */
export const covers = (wide: string, narrow: string): boolean => walk(wide, narrow, true);

/** Whether there is a subject that both match. */
export const overlap = (a: string, b: string): boolean => walk(a, b, false);

/** Without duplicates and without what another one covers; sorted. */
export const fewest = (filters: readonly string[]): string[] => {
  const all = [...new Set(filters)].sort();
  return all.filter((filter) => !all.some((other) => other !== filter && covers(other, filter)));
};
