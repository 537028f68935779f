/** Six balancers share out the same messages between a large agent and a small one. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, request, requestUntil, agent, check }: Client): Promise<void> => {
  const [domain, capability, large, small] = [id('ocr'), id('read'), id('large'), id('small')];
  await agent(large, { domain, capabilities: [capability], max_concurrent_tasks: 3 });
  await agent(small, { domain, capabilities: [capability], max_concurrent_tasks: 1 });
  const capabilities = [capability];
  await requestUntil('the end of the registration', 'control.routing.explain', { capabilities }, ({ eligible }) => eligible === 2);

  const pattern = `work.${domain}.>`;
  const balancers = [
    'weighted_round_robin',
    'least_connections',
    'response_time',
    'resource_utilization',
    'power_of_two_choices',
    { hybrid: { active_tasks: 0.7, response_time: 0.3 } },
  ];
  for (const balancer of balancers) {
    await request('control.routing.set', { pattern, policy: { type: 'load_based', balancer }, by: 'kim' });
    const chosen: string[] = [];
    for (let n = 0; n < 4; n++) {
      const { targets } = await request(`route.work.${domain}.normal.read`, { capabilities });
      chosen.push(targets[0]);
    }
    const [toLarge, toSmall] = [large, small].map((one) => chosen.filter((target) => target === one).length);
    check(toLarge !== undefined && toSmall !== undefined && toLarge + toSmall === 4, 'somebody else was chosen');
    say(`${JSON.stringify(balancer)}: ${toLarge} for the large one, ${toSmall} for the small one`);
    if (balancer === 'weighted_round_robin') check(toLarge === 3, `the large one has ${toLarge} of 4, not 3`);
  }
  await request('control.routing.remove', { pattern, by: 'kim' });
};
