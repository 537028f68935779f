/** What a message wants of a supervisor, whichever way it came. Pure. */
import type * as z from 'zod';
import type {
  controlSupervisorAddChild,
  controlSupervisorDefine,
  controlSupervisorRemove,
  controlSupervisorRemoveChild,
} from '#shared/messages/control-supervision.ts';
import type { agentCreated } from '#shared/messages/lifecycle.ts';
import type { Received } from '#shared/messages/message.ts';
import type { childFields, SupervisorEvent, supervisorEvent } from '#shared/messages/supervisor.ts';
import { type Child, defaultChild } from '#shared/supervision/supervisor.ts';

export type Event = Received<
  | typeof supervisorEvent
  | typeof agentCreated
  | typeof controlSupervisorDefine
  | typeof controlSupervisorRemove
  | typeof controlSupervisorAddChild
  | typeof controlSupervisorRemoveChild
>;

type ChildFields = z.infer<typeof childFields>;
export type Fields = Pick<SupervisorEvent, 'strategy' | 'intensity' | 'period_ms' | 'auto_shutdown' | 'parent' | 'children'>;

export type Change =
  /** `startedAt`: its process says so, epoch ms. */
  | { to: 'define'; fields: Fields; startedAt?: number }
  | { to: 'remove' }
  /** `before`: a child before which the new ones come; absent: they come last. */
  | { to: 'add'; children: ChildFields[]; before?: string }
  /** `exact`: they have to be there. */
  | { to: 'drop'; children: string[]; exact?: true }
  /** An agent says whose it is. */
  | { to: 'join'; agentId: string }
  | { to: 'stop'; at: number };

/** The supervisor that a message is about. */
export const supervisorIdOf = (event: Event): string =>
  event.message === 'agentCreated' ? (event.body.supervisor ?? '') : event.body.supervisor_id;

/** undefined: it wants nothing of the tree. */
export const changeOf = (event: Event): Change | undefined => {
  switch (event.message) {
    case 'supervisorEvent':
      return ofProcess(event);
    case 'agentCreated':
      return { to: 'join', agentId: event.body.agent_id };
    case 'controlSupervisorDefine':
      return { to: 'define', fields: event.body };
    case 'controlSupervisorRemove':
      return { to: 'remove' };
    case 'controlSupervisorAddChild': {
      const { child, before } = event.body;
      return { to: 'add', children: [child], ...(before !== undefined && { before }) };
    }
    case 'controlSupervisorRemoveChild':
      return { to: 'drop', children: [event.body.child_id], exact: true };
    default:
      throw event satisfies never;
  }
};

/** Document 000 names children by `affected_agents` alone. */
const ofProcess = ({ body, sentAt }: Received<typeof supervisorEvent>): Change | undefined => {
  const children = body.children ?? body.affected_agents?.map((id) => ({ id })) ?? [];
  switch (body.event_type) {
    case 'started':
      return { to: 'define', fields: body, startedAt: sentAt };
    case 'updated':
      return { to: 'define', fields: body };
    case 'child_added':
      return { to: 'add', children };
    case 'child_removed':
      return { to: 'drop', children: children.map(({ id }) => id) };
    case 'stopped':
      return { to: 'stop', at: sentAt };
    default:
      return undefined;
  }
};

/** The children after a change, in the order in which they are started. What is left out of a child stays as it was. */
export const childrenAfter = (before: readonly Child[], change: Change): Child[] => {
  switch (change.to) {
    case 'define':
      return change.fields.children?.map((fields) => childOf(fields, before)) ?? [...before];
    case 'add':
      return change.children.reduce((children, fields) => withChild(children, fields, change.before), [...before]);
    case 'drop':
      return before.filter(({ id }) => !change.children.includes(id));
    case 'join':
      return withChild(before, { id: change.agentId });
    case 'remove':
    case 'stop':
      return [...before];
    default:
      throw change satisfies never;
  }
};

const childOf = ({ id, type, restart, significant, shutdown_ms }: ChildFields, known: readonly Child[]): Child => ({
  ...(known.find((child) => child.id === id) ?? defaultChild(id)),
  ...(type !== undefined && { type }),
  ...(restart !== undefined && { restart }),
  ...(significant !== undefined && { significant }),
  ...(shutdown_ms !== undefined && { shutdown: shutdown_ms }),
});

/** One that is there already stays where it is, unless it comes `before` another. */
const withChild = (children: readonly Child[], fields: ChildFields, before?: string): Child[] => {
  const child = childOf(fields, children);
  const known = children.findIndex(({ id }) => id === fields.id);
  if (known >= 0 && before === undefined) return children.with(known, child);
  const others = children.filter(({ id }) => id !== fields.id);
  const at = others.findIndex(({ id }) => id === before);
  return others.toSpliced(at < 0 ? others.length : at, 0, child);
};

/** Ids of a type that are in the second list and not in the first. */
export const comers = (type: Child['type'], before: readonly Child[], after: readonly Child[]): string[] => {
  const were = new Set(before.filter((child) => child.type === type).map(({ id }) => id));
  return after.filter((child) => child.type === type && !were.has(child.id)).map(({ id }) => id);
};
