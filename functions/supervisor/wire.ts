/** A supervisor as it is shown. Pure. */
import { iso } from '#shared/iso.ts';
import type { Child, Supervisor } from '#shared/supervision/supervisor.ts';
import { parentOf, type Tree } from '#shared/supervision/tree.ts';

export const childToWire = ({ id, type, restart, significant, shutdown }: Child) => ({
  id,
  type,
  restart,
  significant,
  shutdown_ms: shutdown,
});

export const toWire = (id: string, supervisor: Supervisor, tree: Tree) => ({
  supervisor_id: id,
  parent: parentOf(tree, id) ?? null,
  strategy: supervisor.strategy,
  intensity: supervisor.intensity,
  period_ms: supervisor.period,
  auto_shutdown: supervisor.autoShutdown,
  started_at: supervisor.startedAt === null ? null : iso(supervisor.startedAt),
  children: supervisor.children.map(childToWire),
});
