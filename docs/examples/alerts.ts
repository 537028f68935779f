/** A hundred alerts about one thing are one notification, and its end is told once. */
import type { Client } from './run/client.ts';

export const run = async ({ id, say, publish, requestUntil, listen }: Client): Promise<void> => {
  const disk = id('disk');
  const notifications = await listen('notifications.*', ({ group }) => group === disk);

  say('the first one is critical, so people hear of it at once');
  const alert = { source: 'example', group: disk, severity: 'critical', summary: `${disk} is full` };
  publish('alerts.critical', alert);
  await notifications('the notification', ({ status }) => status === 'firing');

  say('a hundred more follow');
  for (let n = 0; n < 100; n++) publish('alerts.critical', alert);
  const isCounted = (answer: { groups: { group: string; count: number }[] }) =>
    answer.groups.some(({ group, count }) => group === disk && count === 101);
  await requestUntil('the count', 'control.alerts.list', { severity: 'critical', limit: 100 }, isCounted);

  publish('alerts.critical', { ...alert, status: 'resolved', summary: `${disk} has room again` });
  await notifications('the end', ({ status }) => status === 'resolved');
};
