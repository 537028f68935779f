/** Before the tests of the target `lambda`: the service of serverless.yml, deployed by the real osls to a MiniStack of their own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { DEPLOYMENT_SERVICES, startMinistack } from '#infra/local/ministack.ts';
import { osls } from '#infra/local/osls.ts';
import { copyOfService } from './osls.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where it is deployed. */
    deployedTo: string;
  }
}

export default async ({ provide }: TestProject): Promise<() => Promise<void>> => {
  const folder = await mkdtemp(join(tmpdir(), 'mistersmith-deployed-'));
  const [service, ministack] = await Promise.all([
    copyOfService(),
    startMinistack({ port: 0, services: DEPLOYMENT_SERVICES, folder, log: console.info }),
  ]);
  const close = async () => {
    await Promise.all([service.remove(), ministack.stop()]);
    await rm(folder, { recursive: true, force: true });
  };
  await osls('deploy', { endpoint: ministack.endpoint, folder: service.folder }).catch(async (error) => {
    await close();
    throw error;
  });
  provide('deployedTo', ministack.endpoint);
  return close;
};
