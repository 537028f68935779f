/** What happened in an election, and what of it must not have. Times are true ones, which nobody in it knows. */

/** An agent acted as leader of a term, by its own clock, from then to then. */
export type Tenure = { agent: string; term: number; token: number; from: number; to: number };
/** What the function announced, in the order in which it was decided. */
export type Announced = { leader: string | null; term: number; fencing_token: number };
export type History = { tenures: Tenure[]; announced: Announced[] };

const overlaps = (tenures: readonly Tenure[]): string[] => {
  const ordered = tenures.filter(({ from, to }) => from < to).sort((a, b) => a.from - b.from);
  const wrong: string[] = [];
  let last: Tenure | undefined;
  for (const tenure of ordered) {
    if (last && last.agent !== tenure.agent && tenure.from < last.to)
      wrong.push(`two at once: ${last.agent} until ${last.to}, ${tenure.agent} from ${tenure.from}`);
    if (!last || tenure.to > last.to) last = tenure;
  }
  return wrong;
};

const shared = ({ tenures, announced }: History): string[] => {
  const leaders = new Map<number, string>();
  const said = [
    ...tenures.map(({ agent, term }) => [term, agent] as const),
    ...announced.map(({ leader, term }) => [term, leader] as const),
  ];
  return said.flatMap(([term, leader]) => {
    if (leader === null) return [];
    const other = leaders.get(term) ?? leader;
    leaders.set(term, other);
    return other === leader ? [] : [`two leaders of term ${term}: ${other} and ${leader}`];
  });
};

const backwards = (announced: readonly Announced[]): string[] =>
  announced.flatMap(({ term, leader }, n) => {
    const before = announced[n - 1];
    if (!before) return [];
    if (term < before.term) return [`term ${term} after ${before.term}`];
    const isNew = leader !== null && leader !== before.leader;
    return isNew && term === before.term ? [`${leader} without a new term after ${before.leader}`] : [];
  });

/** What a resource relies on that refuses a smaller token than it has seen, whatever clocks and tables do. */
export const tokenViolations = ({ tenures, announced }: Pick<History, 'tenures' | 'announced'>): string[] => {
  const leaders = new Map<number, string>();
  const wrong: string[] = [];
  let highest = -1;
  for (const { leader, fencing_token: token } of announced) {
    const isNew = leader !== null && !leaders.has(token);
    if (isNew && token < highest) wrong.push(`${leader} with token ${token} after ${highest}`);
    if (isNew) leaders.set(token, leader);
    highest = Math.max(highest, token);
  }
  const used = [...announced.map(({ leader, fencing_token: token }) => ({ agent: leader, token })), ...tenures];
  for (const { agent, token } of used) {
    const owner = leaders.get(token);
    if (agent !== null && owner !== undefined && owner !== agent) wrong.push(`two leaders with token ${token}: ${owner} and ${agent}`);
  }
  return wrong;
};

/** One leader a term, and terms and tokens that only grow. */
export const orderViolations = (history: History): string[] => [
  ...shared(history),
  ...backwards(history.announced),
  ...tokenViolations(history),
];

/** One sentence for each violation: the order of terms and tokens, and never two leaders at once. */
export const violations = (history: History): string[] => [...overlaps(history.tenures), ...orderViolations(history)];
