import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Stack, setupStack } from '#test/support/stack.ts';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
const stats = new Map<string, { n: number; ms: number; items: number }>();
const send = DynamoDBClient.prototype.send as any;
DynamoDBClient.prototype.send = async function (this: any, c: any, ...rest: any[]) { const t = performance.now(); try { return await send.call(this, c, ...rest); } finally { const k = c.constructor.name; const e = stats.get(k) ?? { n: 0, ms: 0, items: 0 }; e.n++; e.ms += performance.now() - t; e.items += c.input.TransactItems?.length ?? c.input.Statements?.length ?? (c.input.RequestItems ? (Object.values(c.input.RequestItems)[0] as any).Keys?.length ?? 0 : 0); stats.set(k, e); } } as any;
let stack: Stack;
beforeAll(async () => { stack = await setupStack(); });
afterAll(() => stack.stop());
test('bench', async () => {
  const N = Number(process.env.N ?? 4000);
  for (let n = 0; n < 200; n++) {
    await stack.publish(`agent.w${n}.created`, { capabilities: ['x'], max_concurrent_tasks: 4 });
    await stack.publish(`agent.w${n}.ready`, {});
  }
  await new Promise((r) => setTimeout(r, 3000));
  let done = 0; const lat: number[] = []; const at = new Map<string, number>();
  stack.nc.subscribe('coordination.tasks.done.*', { callback: (_, m) => { done++; const id = m.subject.split('.')[3]!; lat.push(Date.now() - at.get(id)!); } });
  stack.nc.subscribe('coordination.tasks.assignment.*', { callback: (_, m) => { const a: any = m.json();
    stack.nc.publish(`coordination.tasks.status.${a.task_id}`, JSON.stringify({ agent_id: a.agent_id, attempt: a.attempt, status: 'accepted' }));
    stack.nc.publish(`coordination.tasks.status.${a.task_id}`, JSON.stringify({ agent_id: a.agent_id, attempt: a.attempt, status: 'completed' })); } });
  await stack.nc.flush();
  for (const [label, pace] of [['paced', 20], ['flood', 0]] as const) {
    stats.clear(); const cpu0 = process.cpuUsage(); lat.length = 0; done = 0; const start = Date.now();
    const count = pace ? 200 : N;
    for (let n = 0; n < count; n++) { const id = `${label}-${n}`; at.set(id, Date.now()); stack.nc.publish('coordination.tasks.assignment', JSON.stringify({ task_id: id, requirements: { capabilities: ['x'] } })); if (pace) await new Promise((r) => setTimeout(r, pace)); }
    await expect.poll(() => done, { timeout: 120_000, interval: 20 }).toBe(count);
    lat.sort((a, b) => a - b);
    const cpu = process.cpuUsage(cpu0); console.log('cpu ms', Math.round((cpu.user + cpu.system) / 1000), [...stats].map(([k, v]) => `${k} n=${v.n} items=${v.items} ms=${Math.round(v.ms)}`).join('\n'));
    console.log(label, count, 'tasks', Date.now() - start, 'ms', Math.round(count * 1000 / (Date.now() - start)), '/s', 'p50', lat[count >> 1], 'p99', lat[Math.floor(count * 0.99)]);
  }
  console.log(stack.log.slice(0, 10));
}, 200_000);
