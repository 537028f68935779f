/** The function `supervisor` against a plain object tree: whatever is asked of it, it stays a tree, and says no to the same. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { placeKind } from '#shared/supervision/tree.ts';
import { treeWorld } from '#test/support/tree-world.ts';

const SUPERVISORS = ['root', 'domain-d', 's1', 's2', 's3', 's4'];
const AGENTS = ['a1', 'a2', 'a3', 'a4'];

/** Children by supervisor; `*s1` is the supervisor s1. A supervisor is there if it is somebody's child, root always. */
type Model = Record<string, string[]>;
type Command =
  | { verb: 'define'; supervisor_id: string; parent?: string; children?: string[] }
  | { verb: 'add_child'; supervisor_id: string; child: string; before?: string }
  | { verb: 'remove_child'; supervisor_id: string; child: string }
  | { verb: 'remove'; supervisor_id: string }
  | { verb: 'join'; supervisor_id: string; child: string };

const keeperOf = (model: Model, child: string) => Object.keys(model).find((id) => model[id]?.includes(child));
const isThere = (model: Model, id: string) => id === 'root' || keeperOf(model, `*${id}`) !== undefined;
const mayBeNamed = (model: Model, id: string) => isThere(model, id) || id === 'domain-d';
const without = (model: Model, child: string): Model =>
  Object.fromEntries(Object.entries(model).map(([id, children]) => [id, children.filter((one) => one !== child)]));
const under = (model: Model, id: string, child: string): Model => ({ ...model, [id]: [...(model[id] ?? []), child] });
/** All that hangs from root. What is on a cycle does not. */
const reached = (model: Model, id = 'root', depth = 0): string[] =>
  depth > 9
    ? []
    : [id, ...(model[id] ?? []).filter((child) => child[0] === '*').flatMap((child) => reached(model, child.slice(1), depth + 1))];

/** undefined: it is refused. */
const obey = (model: Model, command: Command): Model | undefined => {
  const { verb, supervisor_id: id } = command;
  const own = model[id] ?? [];
  switch (verb) {
    case 'remove':
      return id === 'root' || own.length > 0 || !isThere(model, id) ? undefined : without(model, `*${id}`);
    case 'join':
      return id === 'root' || !isThere(model, id) || keeperOf(model, command.child) ? model : under(model, id, command.child);
    case 'define':
      return command.parent !== undefined && [id, '*root'].includes(id === 'root' ? '*root' : command.parent)
        ? undefined
        : reparent(model, id, command.children ?? own, command.parent);
    case 'add_child': {
      const { child, before } = command;
      if (!mayBeNamed(model, id) || (before !== undefined && !own.includes(before))) return undefined;
      if (own.includes(child) && before === undefined) return reparent(model, id, own);
      const others = own.filter((one) => one !== child);
      const at = before === undefined || before === child ? others.length : others.indexOf(before);
      return reparent(model, id, [...others.slice(0, at), child, ...others.slice(at)]);
    }
    case 'remove_child':
      return mayBeNamed(model, id) && own.includes(command.child)
        ? reparent(
            model,
            id,
            own.filter((one) => one !== command.child),
          )
        : undefined;
    default:
      throw command satisfies never;
  }
};

const reparent = (model: Model, id: string, children: string[], parent = keeperOf(model, `*${id}`) ?? 'root'): Model | undefined => {
  if (new Set(children).size < children.length || !mayBeNamed(model, parent)) return undefined;
  const was = model[id] ?? [];
  for (const child of children.filter((one) => !was.includes(one))) {
    const keeper = keeperOf(model, child);
    if (keeper !== undefined && !(keeper === 'root' && child[0] === '*')) return undefined;
  }
  let after = model;
  if (!isThere(after, parent)) after = under(after, 'root', `*${parent}`);
  if (id !== 'root' && keeperOf(after, `*${id}`) !== parent) after = under(without(after, `*${id}`), parent, `*${id}`);
  for (const child of children) if (keeperOf(after, child) !== id) after = without(after, child);
  after = { ...after, [id]: children };
  for (const child of was)
    if (child[0] === '*' && !children.includes(child) && keeperOf(after, child) === undefined) after = under(after, 'root', child);
  const all = Object.values(after)
    .flat()
    .filter((child) => child[0] === '*');
  return new Set(reached(after)).size === new Set(all).size + 1 ? after : undefined;
};

const childOf = (child: string) => (child[0] === '*' ? { id: child.slice(1), type: 'supervisor' } : { id: child });

const send = async (world: ReturnType<typeof treeWorld>, { verb, supervisor_id, ...rest }: Command): Promise<boolean> => {
  if (verb === 'join') {
    const { child } = rest as { child: string };
    return (await world.tell([`agent.${child}.created`, { supervisor: supervisor_id }]))[0] === undefined;
  }
  const { child, before, children, ...body } = rest as { child?: string; before?: string; children?: string[] };
  const named = child === undefined ? {} : verb === 'add_child' ? { child: childOf(child) } : { child_id: childOf(child).id };
  const answer = await world.ask(verb, {
    supervisor_id,
    ...body,
    ...named,
    ...(children && { children: children.map(childOf) }),
    ...(before && { before: childOf(before).id }),
  });
  return !('error' in answer);
};

const supervisor_id = fc.constantFrom(...SUPERVISORS);
const child = fc.constantFrom(...AGENTS, ...SUPERVISORS.map((id) => `*${id}`));
const agent = fc.constantFrom(...AGENTS);
const optional = { requiredKeys: ['verb', 'supervisor_id'] as ['verb', 'supervisor_id'] };
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record(
    { verb: fc.constant('define' as const), supervisor_id, parent: supervisor_id, children: fc.array(child, { maxLength: 4 }) },
    optional,
  ) as fc.Arbitrary<Command>,
  fc.record({ verb: fc.constant('define' as const), supervisor_id, parent: supervisor_id }),
  fc.record(
    { verb: fc.constant('add_child' as const), supervisor_id, child, before: child },
    { requiredKeys: ['verb', 'supervisor_id', 'child'] },
  ) as fc.Arbitrary<Command>,
  fc.record({ verb: fc.constant('remove_child' as const), supervisor_id, child }),
  fc.record({ verb: fc.constant('remove' as const), supervisor_id }),
  fc.record({ verb: fc.constant('join' as const), supervisor_id, child: agent }),
);

/** What the table says, as the model does. */
const stored = async (world: ReturnType<typeof treeWorld>): Promise<Model> => {
  const lists = await Promise.all(
    SUPERVISORS.map(async (id) => {
      const children = (await world.supervisor(id))?.children ?? [];
      return [id, children.map((one) => (one.type === 'supervisor' ? `*${one.id}` : one.id))] as const;
    }),
  );
  return Object.fromEntries(lists.filter(([, children]) => children.length > 0));
};

test('it agrees with a plain tree on what is refused and on what comes of the rest; places and parents say the same as the children', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 25 }), async (commands) => {
      const world = treeWorld();
      let model: Model = {};
      for (const one of commands) {
        const after = obey(model, one);
        expect([one, await send(world, one)]).toEqual([one, after !== undefined]);
        model = after ?? model;
        expect([one, await stored(world)]).toEqual([
          one,
          Object.fromEntries(Object.entries(model).filter(([, children]) => children.length > 0)),
        ]);
        const { tree, places } = await world.places(AGENTS);
        const parents = SUPERVISORS.flatMap((id) => keeperOf(model, `*${id}`) ?? []).length;
        expect([tree.parents, Object.keys(tree.parents).length]).toEqual([
          Object.fromEntries(SUPERVISORS.flatMap((id) => (keeperOf(model, `*${id}`) ? [[id, keeperOf(model, `*${id}`)]] : []))),
          parents,
        ]);
        for (const id of AGENTS)
          expect([placeKind.kind, id, places.get(id)?.supervisor ?? undefined]).toEqual([placeKind.kind, id, keeperOf(model, id)]);
      }
    }),
    { numRuns: 300 },
  );
}, 60_000);
