/** What recovery-coordinator asks the table for: a storm brings it a thousand events, and most of them need little. */
import { expect, test } from 'vitest';
import { readView } from '#functions/recovery-coordinator/view.ts';
import type { EntityKey } from '#shared/entity/key.ts';
import type { AnyKind } from '#shared/entity/kind.ts';
import type { Reader } from '#shared/entity/reader.ts';
import { agentReady } from '#shared/messages/lifecycle.ts';
import { recovery } from '#shared/messages/supervision.ts';
import { received } from '#test/support/decide.ts';

/** A table with these states. `asked`: the kinds that were loaded, and whose children. */
const tableOf = (states: Record<EntityKey, unknown>) => {
  const asked: string[] = [];
  const load = async ({ kind }: AnyKind, ids: readonly string[]) => {
    if (ids.length > 0) asked.push(kind);
    return new Map(ids.flatMap((id) => (states[`${kind}#${id}`] === undefined ? [] : [[id, states[`${kind}#${id}`]]])));
  };
  const children = async (_: AnyKind, id: string) => {
    asked.push(`snapshot of ${id}`);
    return new Map([['snapshot', { at: 1, snapshot: { page: 7 } }]]);
  };
  return { asked, reader: { load, children } as unknown as Reader };
};

const registered = { profile: { agent_id: 'a1', capabilities: [], metadata: {} } };
const requestOf = (agent_id: string) => received(recovery, { agent_id }, { agent_id, recovery_action: 'restart' });
const readyOf = (agent_id: string) => received(agentReady, { agent_id }, { agent_id });

test('an agent that is ready is asked for its place and its recovery, and the recoveries of its supervisors', async () => {
  const { asked, reader } = tableOf({ 'place#a1': { supervisor: 's1' } });
  await readView([readyOf('a1')], reader);
  expect(asked.sort()).toEqual(['place', 'recovery', 'restarts', 'tree']);
});

test('whoever is about to be restarted is handed its snapshot', async () => {
  const { reader } = tableOf({ 'agent#a1': registered });
  const view = await readView([requestOf('a1')], reader);
  expect(view.known).toEqual(new Map([['a1', { tasks: [], snapshot: { page: 7 } }]]));
});

test('of an agent that the registry does not know there is no snapshot to ask for', async () => {
  const { asked, reader } = tableOf({ 'agent#a1': registered });
  await readView([requestOf('a1'), requestOf('a2')], reader);
  expect(asked.filter((kind) => kind.startsWith('snapshot'))).toEqual(['snapshot of a1']);
});
