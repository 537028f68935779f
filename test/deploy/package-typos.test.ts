/** A mistake in serverless.yml ends `osls package` before anything is built, with a sentence that names the field. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyOfService, type Service } from '#test/support/osls.ts';

let service: Service;
beforeEach(async () => {
  service = await copyOfService();
});
afterEach(() => service.remove());

describe('osls refuses', { timeout: 120_000 }, () => {
  it('misspelt fields, each by its name and place', async () => {
    await service.change('batchSize: 500', 'batchsize: 500');
    await service.change('fold: latest', 'fold: last');
    await service.change('memorySize', 'memorysize');
    const { code, output } = await service.osls('package', '--region', 'eu-west-1');
    expect(output).toContain("at 'functions.agent-registry.events.0.nats': unrecognized property 'batchsize'");
    expect(output).toContain("at 'functions.agent-registry.events.1.nats.fold': must be equal to constant");
    expect(output).toContain("at 'provider': unrecognized property 'memorysize'");
    expect(code).toBe(1);
  });

  it('events that cannot work, and a bridge without a place, a NATS server and an image, all at once', async () => {
    await service.change('stream: AGENT_LIFECYCLE', 'stream: AGENT_LIFE');
    await service.change('supervision.failures.*]', 'alerts.low]');
    await service.change('functions/escalation/handler', 'functions/escalaton/handler');
    const { code, output } = await service.osls('package', '--region', 'eu-west-1');
    expect(output).toContain('functions.agent-registry, event lifecycle: there is no stream AGENT_LIFE');
    expect(output).toContain('functions.failure-handler, event failures: the stream SUPERVISION_EVENTS does not capture alerts.low');
    expect(output).toContain('functions.escalation: there is no functions/escalaton/handler.ts: correct its handler');
    for (const name of ['vpcId', 'subnetIds', 'natsUrl', 'natsCreds', 'bridgeTag']) expect(output).toContain(`give it as --param ${name}=`);
    expect(code).toBe(1);
  });

  it('to guess a region', async () => {
    expect(await service.osls('package')).toEqual({
      code: 1,
      output: 'there is no AWS region: set AWS_REGION, or give --region eu-west-1\n',
    });
    expect(await service.osls('--version')).toEqual({ code: 0, output: expect.stringContaining('osls version: ') });
  });
});
