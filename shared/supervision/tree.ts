/** Where supervisors and agents stand in the supervision tree. Only the function `supervisor` writes it. Pure. */
import * as z from 'zod';
import { type EntityKey, keyOf } from '#shared/entity/key.ts';
import type { Kind } from '#shared/entity/kind.ts';
import type { Reader } from '#shared/entity/reader.ts';
import type { Profile } from '#shared/registry/agent.ts';
import { domainSupervisor, isImplied, ROOT } from './supervisor.ts';

const placeSchema = z.object({
  supervisor: z.string().nullable(),
  /** Since when it has none, epoch ms. */
  leftAt: z.number().optional(),
});

const KEEP_LEFT_MS = 7 * 24 * 3_600_000;

/** The supervisor of which an agent is a child; null: of none any more. */
export type Place = z.infer<typeof placeSchema>;
export const placeKind: Kind<Place> = {
  kind: 'place',
  schema: placeSchema,
  version: 1,
  expiresAt: ({ leftAt }) => leftAt && leftAt + KEEP_LEFT_MS,
};
export const placeKey = (agentId: string): EntityKey => keyOf(placeKind.kind, agentId);

const treeSchema = z.object({ parents: z.record(z.string(), z.string()) });

/**
 * The parent of every supervisor that is defined, or that a parent names among its children. One item: a change of it cannot
 * cross another one, so there is never a cycle.
 */
export type Tree = z.infer<typeof treeSchema>;
export const treeKind: Kind<Tree> = { kind: 'tree', schema: treeSchema, version: 1 };
export const TREE = 'main';
export const treeKey: EntityKey = keyOf(treeKind.kind, TREE);
export const EMPTY_TREE: Tree = { parents: {} };

/** undefined: it is not defined, and nobody's child. */
export const definedParent = ({ parents }: Tree, supervisorId: string): string | undefined =>
  Object.hasOwn(parents, supervisorId) ? parents[supervisorId] : undefined;

/** undefined: root, or one that nobody knows. */
export const parentOf = (tree: Tree, supervisorId: string): string | undefined =>
  definedParent(tree, supervisorId) ?? (supervisorId !== ROOT && isImplied(supervisorId) ? ROOT : undefined);

/** A supervisor and those above it, the nearest first. */
export const chainOf = (tree: Tree, supervisorId: string): string[] => {
  const chain = [supervisorId];
  for (let above = parentOf(tree, supervisorId); above !== undefined && !chain.includes(above); above = parentOf(tree, above))
    chain.push(above);
  return chain;
};

/** Whom to ask for an agent that is nobody's child: the supervisor that it names, its domain's, or root. */
export const namedSupervisor = (profile: Profile | undefined): string =>
  profile?.supervisor ?? (profile?.domain === undefined ? ROOT : domainSupervisor(profile.domain));

/** The tree, and the places of these agents. */
export type Places = { tree: Tree; places: ReadonlyMap<string, Place> };

/** Where nobody is asked for, the tree is not read. */
export const readPlaces = async (reader: Reader, agentIds: readonly string[]): Promise<Places> => {
  if (agentIds.length === 0) return { tree: EMPTY_TREE, places: new Map() };
  const [trees, places] = await Promise.all([reader.load(treeKind, [TREE]), reader.load(placeKind, agentIds)]);
  return { tree: trees.get(TREE) ?? EMPTY_TREE, places };
};

/** The supervisor of which it is a child; undefined: it is nobody's. */
export const supervisorOf = ({ places }: Places, agentId: string): string | undefined => places.get(agentId)?.supervisor ?? undefined;

/** Who is responsible for an agent, the nearest first, up to root. */
export const responsibleFor = (where: Places, agentId: string, profile: Profile | undefined): string[] => {
  const chain = chainOf(where.tree, supervisorOf(where, agentId) ?? namedSupervisor(profile));
  return chain.at(-1) === ROOT ? chain : [...chain, ROOT];
};
