/**
 * What the functions make necessary at AWS besides themselves: the bridge's manifest and permission, the alarms, the dashboard.
 * Added to a template that has the bridge's service (bridge.yml); a deployment without one has its bridge elsewhere.
 */
import type { Manifest } from '../bridge/manifest/manifest.ts';
import { alarms } from './alarms.ts';
import { dashboard } from './dashboard.ts';
import { invokePolicy } from './invoke-policy.ts';
import { manifestVariable } from './manifest-variable.ts';
import type { Resource, Template } from './template.ts';

type TaskDefinition = { ContainerDefinitions: { Environment: unknown[] }[] };

const withManifest = (task: Resource, manifest: Manifest): Resource => {
  const { ContainerDefinitions, ...properties } = task.Properties as TaskDefinition;
  const containers = ContainerDefinitions.map((container) => ({
    ...container,
    Environment: [...container.Environment, manifestVariable(manifest)],
  }));
  return { ...task, Properties: { ...properties, ContainerDefinitions: containers } };
};

/** Changes the template. `deployment` is `<service>-<stage>`. Throws an error of one sentence where the manifest is too large. */
export const addResources = (template: Template, manifest: Manifest, deployment: string): void => {
  const { BridgeTask } = template.Resources;
  if (!BridgeTask) return;
  const bells = alarms(manifest, deployment);
  Object.assign(template.Resources, {
    BridgeTask: withManifest(BridgeTask, manifest),
    BridgeInvokePolicy: invokePolicy(manifest, deployment),
    ...bells,
    Dashboard: dashboard(manifest, deployment, Object.keys(bells)),
  });
};
