/**
 * What may not be in a tree, each with one sentence. The rules of children are those of OTP's `supervisor`
 * (https://www.erlang.org/doc/apps/stdlib/supervisor.html). Pure.
 */
import type { ErrorBody } from '#shared/contract.ts';
import type { Supervisor } from '#shared/supervision/supervisor.ts';
import { chainOf, parentOf, type Tree } from '#shared/supervision/tree.ts';

/** DynamoDB takes 100 items in a transaction: an agent that comes or goes is one of them. */
export const MAX_MOVES = 90;
/** Of a supervisor, and supervisors of the tree: what fits an item. */
const MAX_CHILDREN = 2000;
const MAX_SUPERVISORS = 4000;

export const notDefined = (id: string): ErrorBody => ({
  code: 'not_found',
  message: `supervisor ${id} is not defined: define it first (control.supervisor.define, or supervisor.${id}.events with event_type started)`,
});

export const noChild = (id: string, childId: string): ErrorBody => ({
  code: 'not_found',
  message: `supervisor ${id} has no child ${childId}: control.supervisor.show lists those that it has`,
});

export const orphan = (id: string, parent: string): ErrorBody => ({
  code: 'invalid_orphan',
  message: `supervisor ${id} would be an orphan: its parent ${parent} is not defined; define ${parent} first`,
});

export const secondParent = (type: string, childId: string, there: string): ErrorBody => ({
  code: 'invalid_second_parent',
  message:
    type === 'agent'
      ? `agent ${childId} is a child of ${there} already: take it from there first (control.supervisor.remove_child)`
      : `supervisor ${childId} is a child of ${there} already: to move it, define it with another parent`,
});

export const tooManyMoves = (id: string, moves: number): ErrorBody => ({
  code: 'too_many',
  message: `this would change the place of ${moves} agents under supervisor ${id}, a message may change ${MAX_MOVES}: send them in several (add_child or child_added)`,
});

/** Why a supervisor may not be removed. */
export const irremovable = (id: string, { children }: Supervisor, isRoot: boolean): ErrorBody | undefined => {
  if (isRoot) return { code: 'invalid_remove', message: `supervisor ${id} cannot be removed: it is above all others` };
  if (children.length === 0) return undefined;
  return {
    code: 'invalid_remove',
    message: `supervisor ${id} has ${children.length} children: take them from it first (control.supervisor.remove_child)`,
  };
};

/** Why a supervisor's own children may not be so. */
export const misfit = (id: string, { children, autoShutdown }: Supervisor): ErrorBody | undefined => {
  if (children.length > MAX_CHILDREN)
    return {
      code: 'too_many',
      message: `supervisor ${id} would have ${children.length} children, it may have ${MAX_CHILDREN}: divide them`,
    };
  const ids = children.map((child) => child.id);
  const twice = ids.length > new Set(ids).size ? ids.find((child, n) => ids.indexOf(child) !== n) : undefined;
  if (twice !== undefined)
    return {
      code: 'invalid_duplicate',
      message: `the children of supervisor ${id} name ${twice} twice: name it once, at its place in the order`,
    };
  const significant = children.filter((child) => child.significant);
  const permanent = significant.find(({ restart }) => restart === 'permanent');
  if (permanent)
    return {
      code: 'invalid_significant',
      message: `child ${permanent.id} of supervisor ${id} is significant and permanent: its end cannot count, make it transient or temporary`,
    };
  if (significant[0] && autoShutdown === 'never')
    return {
      code: 'invalid_significant',
      message: `child ${significant[0].id} of supervisor ${id} is significant, but auto_shutdown is never: set it to any_significant or all_significant`,
    };
  return undefined;
};

/** Why a supervisor may not be where it is: it is above itself, or the tree is too large. */
export const misplaced = (id: string, tree: Tree): ErrorBody | undefined => {
  const chain = chainOf(tree, id);
  const above = parentOf(tree, chain.at(-1) ?? id);
  if (above !== undefined)
    return {
      code: 'invalid_cycle',
      message: `supervisor ${id} would be below itself (${[...chain, above].join(' under ')}): move one of them elsewhere`,
    };
  const size = Object.keys(tree.parents).length;
  if (size <= MAX_SUPERVISORS) return undefined;
  return { code: 'too_many', message: `the tree would have ${size} supervisors, it may have ${MAX_SUPERVISORS}: remove some first` };
};
