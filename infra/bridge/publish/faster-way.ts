/** Which of two ways to store a group of messages took less time a message of late. Both are tried, and the slower one now and then again. */

export type Way = 'batch' | 'one_by_one';

export type FasterWay = {
  /** For the next group; one that is only tried should be small. */
  choose(): { way: Way; trial: boolean };
  /** A group of so many messages was stored in so many ms. */
  took(way: Way, ms: number, messages: number): void;
};

const TRIAL_EVERY = 50;

export const fasterWay = (): FasterWay => {
  /** ms a message */
  const cost: Partial<Record<Way, number>> = {};
  let groups = 0;
  return {
    choose() {
      groups += 1;
      if (cost.batch === undefined) return { way: 'batch', trial: false };
      if (cost.one_by_one === undefined) return { way: 'one_by_one', trial: true };
      const trial = groups % TRIAL_EVERY === 0;
      return { way: cost.batch <= cost.one_by_one !== trial ? 'batch' : 'one_by_one', trial };
    },
    took(way, ms, messages) {
      const each = ms / messages;
      cost[way] = ((cost[way] ?? each) + each) / 2;
    },
  };
};
