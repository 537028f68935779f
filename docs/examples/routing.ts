/** Five policies for who should get a message, each set while all runs, and what each of them chooses and why. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, request, requestUntil, agent, check }: Client): Promise<void> => {
  const [domain, capability, ann, ben, cleo] = [id('nlp'), id('parse'), id('ann'), id('ben'), id('cleo')];
  await agent(ann, { domain, capabilities: [capability], zone: 'eu' });
  await agent(ben, { domain, capabilities: [capability], zone: 'us' });
  await agent(cleo, { domain, capabilities: [capability, 'tables'], zone: 'us' });
  const capabilities = [capability];
  await requestUntil('the end of the registration', 'control.routing.explain', { capabilities }, ({ eligible }) => eligible === 3);

  const pattern = `work.${domain}.>`;
  const policies: [expected: string[], policy: object][] = [
    [[ann, ben], { type: 'round_robin', targets: [ann, ben] }],
    [[ann, ben, cleo], { type: 'load_based', weight_factor: 1 }],
    [[ben], { type: 'capability_based', preference_order: [ben, ann] }],
    [[ann], { type: 'topology_aware', preferred_zones: ['eu', 'us'] }],
    [[cleo], { type: 'priority_based', high_priority_targets: [cleo], normal_targets: [ann, ben] }],
  ];
  for (const [expected, policy] of policies) {
    await request('control.routing.set', { pattern, policy, by: 'kim' });
    const { targets, why } = await request(`route.work.${domain}.high.parse`, { capabilities, priority: 'high' });
    check(expected.includes(targets[0]), `${targets[0]} is chosen, not ${expected.join(' or ')}`);
    say(`${targets[0]}: ${why}`);
  }
  say('who was left out, and why:');
  await request('control.routing.explain', { subject: `work.${domain}.high.parse`, capabilities, zone: 'us' });
  await request('control.routing.remove', { pattern, by: 'kim' });
};
