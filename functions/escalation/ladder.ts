/**
 * Who is asked about an agent, in turn. A child of a supervisor climbs the tree: its supervisor and those above it (level 1), the
 * one that is a child of root (2), root (3). Any other agent: the supervisor that it names, its domain's, root; where one of the
 * first two is not known, the next one up. People (4) are the last. Pure.
 */
import type { Agent } from '#shared/registry/agent.ts';
import { domainSupervisor, ROOT } from '#shared/supervision/supervisor.ts';
import { chainOf, definedParent, type Places, supervisorOf, type Tree } from '#shared/supervision/tree.ts';
import type { Case, Level } from './case.ts';

export type Rung = { level: Level; supervisor: string };

/** The registry's agents by id, and where they stand in the tree. */
export type View = { agents: ReadonlyMap<string, Agent>; where: Places };

/** `said`: the supervisor that an escalation named; the registry's word counts before it. */
export const ladderOf = (agentId: string, said: string | undefined, { agents, where }: View): Rung[] => {
  const profile = agents.get(agentId)?.profile;
  const named = profile?.supervisor ?? said;
  const isInTree = named !== undefined && definedParent(where.tree, named) !== undefined;
  const direct = supervisorOf(where, agentId) ?? (isInTree ? named : undefined);
  const people: Rung = { level: 4, supervisor: 'people' };
  if (direct !== undefined) return [...climbed(where.tree, direct), people];
  const domain = profile?.domain === undefined ? ROOT : domainSupervisor(profile.domain);
  return [{ level: 1, supervisor: named ?? domain }, { level: 2, supervisor: domain }, { level: 3, supervisor: ROOT }, people];
};

const climbed = (tree: Tree, direct: string): Rung[] => {
  const chain = chainOf(tree, direct);
  const whole = chain.at(-1) === ROOT ? chain : [...chain, ROOT];
  return whole.map((supervisor, n) => ({ level: supervisor === ROOT ? 3 : whole[n + 1] === ROOT ? 2 : 1, supervisor }));
};

/** Where an escalation begins: with the supervisor that it names, if that is as high as its level, else with the first that is. */
export const rungFor = (ladder: readonly Rung[], level: number, named: string | undefined): Rung =>
  (ladder.find((rung) => rung.level >= level && rung.supervisor === named) ?? ladder.find((rung) => rung.level >= level)) as Rung;

type Standing = Pick<Case, 'level' | 'asked'>;

/** Whether a case has been there. A supervisor that has come into the tree since has not been asked. */
export const isAsked = ({ level, asked }: Standing, rung: Rung): boolean =>
  rung.level < level || (rung.level === level && asked.includes(rung.supervisor));

/** A case that has gone to a rung: those of its level that it has passed count as asked, the last is the one that it is with. */
export const goneTo = (ladder: readonly Rung[], rung: Rung, before: Standing | undefined): Standing => {
  const passed = ladder.slice(0, ladder.indexOf(rung)).filter(({ level }) => level === rung.level);
  const asked = before?.level === rung.level ? before.asked : [];
  return { level: rung.level, asked: [...new Set([...asked, ...passed.map(({ supervisor }) => supervisor), rung.supervisor])] };
};
