/** What a majority of the acceptors may yet do. Pure. */

type Acceptors = { size: number; acceptors: readonly string[]; promised: Readonly<Record<string, number>> };

export const majorityOf = ({ size }: Pick<Acceptors, 'size'>): number => Math.floor(size / 2) + 1;

/** The highest round that it promised or accepted in, -1: none. */
export const promisedBy = ({ promised }: Pick<Acceptors, 'promised'>, acceptor: string): number => promised[acceptor] ?? -1;

/** Whether a majority may still promise a round. */
export const canBePromised = (of: Acceptors, round: number): boolean =>
  of.size - of.acceptors.filter((acceptor) => promisedBy(of, acceptor) >= round).length >= majorityOf(of);

/** Whether a majority may yet accept a round. */
export const isOpen = (of: Acceptors, { round, accepts }: { round: number; accepts: readonly string[] }): boolean =>
  of.size - of.acceptors.filter((acceptor) => promisedBy(of, acceptor) > round && !accepts.includes(acceptor)).length >= majorityOf(of);
