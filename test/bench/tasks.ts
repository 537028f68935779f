/** Tasks from submission to `done`, with simulated agents that accept and complete what they are given, at once. */
import { BatchExecuteStatementCommand, DynamoDBClient, PutItemCommand, TransactWriteItemsCommand } from '@aws-sdk/client-dynamodb';
import { setupStack } from '#test/support/stack.ts';
import type { Bench } from './bench.ts';

const TASKS = 5000;
const SLOTS = 10;

/** Counts items written by anyone in this process. */
const countWrites = () => {
  const { send } = DynamoDBClient.prototype;
  let writes = 0;
  DynamoDBClient.prototype.send = function (this: DynamoDBClient, command: never, ...rest: never[]) {
    const { input } = command as { input: { Statements?: unknown[]; TransactItems?: unknown[] } };
    const counted: unknown = command;
    if (counted instanceof BatchExecuteStatementCommand) writes += input.Statements?.length ?? 0;
    if (counted instanceof TransactWriteItemsCommand) writes += input.TransactItems?.length ?? 0;
    if (counted instanceof PutItemCommand) writes++;
    return (send as (...args: unknown[]) => unknown).call(this, command, ...rest) as never;
  } as typeof send;
  return {
    count: () => writes,
    restore: () => {
      DynamoDBClient.prototype.send = send;
    },
  };
};

export const tasks: Bench = {
  cases: ['agents=200'],
  run: async (name) => {
    const agents = Number(name.split('=')[1]);
    const stack = await setupStack();
    const writes = countWrites();
    const { nc } = stack;
    try {
      for (let n = 0; n < agents; n++) {
        const agent_id = `bench-${n}`;
        nc.publish(
          `agent.${agent_id}.created`,
          JSON.stringify({ agent_id, domain: 'bench', capabilities: ['bench'], max_concurrent_tasks: SLOTS }),
        );
        nc.publish(`agent.${agent_id}.started`, '{}');
        nc.publish(`agent.${agent_id}.ready`, '{}');
      }
      const registered = async () => {
        const answer = await nc.request('agents.discovery.find', JSON.stringify({ capability: 'bench', limit: 1000 }), { timeout: 10_000 });
        return answer.json<{ agents: { healthy: boolean }[] }>().agents.filter(({ healthy }) => healthy).length;
      };
      while ((await registered()) < agents) await new Promise((resolve) => setTimeout(resolve, 50));

      const active = new Map<string, number>();
      let overCapacity = 0;
      let completed = 0;
      let finished: () => void = () => {};
      const end = new Promise<void>((resolve) => {
        finished = resolve;
      });
      nc.subscribe('coordination.tasks.assignment.*', {
        callback: (_, message) => {
          const { task_id, agent_id, attempt } = message.json<{ task_id: string; agent_id: string; attempt: number }>();
          const now = (active.get(agent_id) ?? 0) + 1;
          active.set(agent_id, now);
          if (now > SLOTS) overCapacity++;
          const say = (status: string) =>
            nc.publish(`coordination.tasks.status.${task_id}`, JSON.stringify({ task_id, agent_id, attempt, status, result: 1 }));
          say('accepted');
          setTimeout(() => {
            active.set(agent_id, (active.get(agent_id) ?? 0) - 1);
            say('completed');
          }, 20);
        },
      });
      nc.subscribe('coordination.tasks.done.*', {
        callback: (_, message) => {
          if (message.json<{ outcome: string }>().outcome === 'completed' && ++completed === TASKS) finished();
        },
      });
      await nc.flush();
      const writesBefore = writes.count();
      const started = performance.now();
      for (let n = 0; n < TASKS; n++) {
        const body = {
          task_id: `t${n}`,
          coordination_type: 'assignment',
          requirements: { capabilities: ['bench'], timeout_ms: 300_000 },
          payload: n,
        };
        nc.publish('coordination.tasks.assignment', JSON.stringify(body));
      }
      await end;
      const seconds = (performance.now() - started) / 1000;
      return [
        { figure: 'tasks_per_s', value: TASKS / seconds, unit: 'tasks/s' },
        { figure: 'over_capacity', value: overCapacity, unit: 'assignments' },
        { figure: 'writes_per_task', value: (writes.count() - writesBefore) / TASKS, unit: 'items' },
      ];
    } finally {
      writes.restore();
      await stack.stop();
    }
  },
};
