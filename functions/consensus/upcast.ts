/** A synod as it was stored in its first version: each round with its value, also where nobody can decide it any more. Pure. */
import { isOpen } from './majority.ts';

type First = {
  size: number;
  acceptors: string[];
  promised: Record<string, number>;
  ballots: { round: number; bound?: number | null; proposal?: { value?: unknown }; promises: string[]; accepts: string[] }[];
};

export const upcastFromFirst = (old: unknown): unknown => {
  const synod = old as First;
  const open = synod.ballots.filter((ballot) => isOpen(synod, ballot));
  const proposed = open.filter(({ proposal }) => proposal !== undefined);
  const last = proposed.at(-1)?.proposal;
  return {
    ...synod,
    ...(last && { proposal: { value: last.value, acceptedBy: [...new Set(proposed.flatMap(({ accepts }) => accepts))] } }),
    ballots: open.map(({ bound, proposal, ...ballot }) => ({
      ...ballot,
      ...(bound !== undefined && { isBound: bound !== null && last !== undefined }),
      isProposed: proposal !== undefined,
    })),
  };
};
