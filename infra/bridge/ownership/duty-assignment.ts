/**
 * Which bridge does which duty: rendezvous hashing with a bound. A duty goes to the bridge that scores highest with it and
 * still has room, the best scores first; so every bridge that sees the same members finds the same owners without a word,
 * loads differ by one at most, and few duties move when a bridge comes or goes.
 */
import { fnv1a } from '#shared/fnv1a.ts';

/** FNV-1a hardly spreads its last characters, which is where names differ; this mixes every bit into every other (murmur3). */
const mixed = (hash: number): number => {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
};

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The bridge of every duty, the order of both lists being of no matter; none where there is no bridge. */
export const assign = (duties: readonly string[], bridges: readonly string[]): Map<string, string> => {
  const owners = new Map<string, string>();
  const names = new Set(duties);
  const loads = new Map(bridges.map((bridge) => [bridge, 0]));
  const pairs = [...names]
    .flatMap((duty) => [...loads.keys()].map((bridge) => ({ duty, bridge, score: mixed(fnv1a(`${duty} ${bridge}`)) })))
    .sort((a, b) => b.score - a.score || byText(a.duty, b.duty) || byText(a.bridge, b.bridge));

  const least = Math.floor(names.size / loads.size);
  let larger = names.size % loads.size;
  for (const { duty, bridge } of pairs) {
    const load = loads.get(bridge) as number;
    if (owners.has(duty) || load > least || (load === least && larger === 0)) continue;
    if (load === least) larger--;
    owners.set(duty, bridge);
    loads.set(bridge, load + 1);
  }
  return owners;
};

/**
 * The same where not every bridge can do everything (by bridge: what it can do), as while a new version is rolled out. Duties
 * that the same bridges can do are spread over these.
 */
export const assignOffers = (offers: ReadonlyMap<string, readonly string[]>): Map<string, string> => {
  const able = new Map<string, string[]>();
  for (const [bridge, duties] of offers) for (const duty of duties) able.set(duty, [...(able.get(duty) ?? []), bridge]);
  const alike = Map.groupBy(able, ([, bridges]) => bridges.sort().join(' '));
  return new Map(
    [...alike.values()].flatMap((group) => [
      ...assign(
        group.map(([duty]) => duty),
        group[0]?.[1] ?? [],
      ),
    ]),
  );
};
