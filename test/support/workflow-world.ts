/** Workflows in virtual time for the pure core of `workflow`: what workers say, and workers that do what their stages are given. */
import { workflows } from '#functions/workflow/decide.ts';
import { settings } from '#functions/workflow/settings.ts';
import type { Headers } from '#shared/contract.ts';
import type { Output } from '#shared/entity/entity.ts';
import { controlWorkflowCancel, controlWorkflowStart } from '#shared/messages/control-coordination.ts';
import { opaqueValue } from '#shared/messages/opaque.ts';
import {
  pipelineComplete,
  pipelineStage,
  workflowCancel,
  workflowComplete,
  workflowError,
  workflowReady,
} from '#shared/messages/workflow.ts';
import { drive, received } from './decide.ts';

const coord = { ready: workflowReady, complete: workflowComplete, error: workflowError, cancel: workflowCancel };
const WF = { workflow_id: 'w1' };

/** `02.analyze`, what it was given and under which headers. */
export type Given = { stage: string; value: unknown; headers: Headers };

export const workflowWorld = (environment: Record<string, string> = {}) => {
  const story = drive(workflows, settings.parse({ WORKFLOW_STAGE_TIMEOUT_MS: '1000', ...environment }));
  const at = (agent?: string, more: Headers = {}, after = 0) => ({
    sentAt: story.now() + after,
    headers: { ...(agent !== undefined && { 'X-Agent-ID': [agent] }), ...more },
  });
  const text = (data: string) => ({ data, encoding: 'utf8' });
  const givenBy = ({ subject, raw, headers = {} }: Output): Given[] => {
    const [first, , number, name] = subject.split('.');
    return first === 'pipeline' && name !== undefined && raw ? [{ stage: `${number}.${name}`, value: opaqueValue(raw), headers }] : [];
  };
  return {
    ...story,
    start: (stages: object[], payload: unknown = 'doc') =>
      story.tell(received(controlWorkflowStart, {}, { ...WF, stages, payload }, at('kim'))),
    cancel: () => story.tell(received(controlWorkflowCancel, {}, { ...WF, reason: 'not wanted' }, at('kim'))),
    /** A worker, or whoever begins, publishes a stage: `02.analyze`. */
    stage: (key: string, data: string, agent?: string, headers?: Headers) => {
      const [stage_number = '', stage = ''] = key.split('.');
      return story.tell(received(pipelineStage, { ...WF, stage_number, stage }, text(data), at(agent, headers)));
    },
    complete: (data: string, agent?: string) => story.tell(received(pipelineComplete, WF, text(data), at(agent))),
    /** `after` ms, without any alarm between. */
    say: (verb: keyof typeof coord, body: object = {}, agent?: string, after = 0) =>
      story.tell(received(coord[verb] as typeof workflowReady, WF, { ...WF, ...body }, at(agent, {}, after))),
    pass: (ms: number, late = 0) => story.until(story.now() + ms, late),
    /** What stages were given by the function, in order. */
    given: (): Given[] => story.published.flatMap(givenBy),
    started: () => story.published.flatMap(givenBy).map(({ stage }) => stage),
    stages: () => Object.fromEntries(Object.entries(story.state('w1')?.stages ?? {}).map(([key, { status }]) => [key, status])),
    status: () => story.state('w1')?.status,
    history: () =>
      [...story.children('w1')]
        .filter(([name]) => name.startsWith('history/'))
        .map(([, entry]) => {
          const { event, stage } = entry as { event: string; stage?: string };
          return stage === undefined ? event : `${event} ${stage}`;
        }),
  };
};
