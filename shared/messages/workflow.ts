/** Pipelines, whose payloads belong to the stages, and what their workflows say of themselves. */
import * as z from 'zod';
import { subjects } from '#shared/subjects.ts';
import { id } from './fields.ts';
import { defineMessage } from './message.ts';
import { opaque, orEmpty } from './opaque.ts';

/** `<stage_number>` has two digits: 01, 02. */
export const pipelineStage = defineMessage({
  name: 'pipelineStage',
  subject: subjects.pipelineStage,
  by: 'COORDINATION',
  body: opaque,
});

export const pipelineComplete = defineMessage({
  name: 'pipelineComplete',
  subject: subjects.pipelineComplete,
  by: 'COORDINATION',
  body: opaque,
});

const workflowBody = z.looseObject({
  workflow_id: id,
  /** `02.analyze`, or `analyze`. */
  stage: z.string().optional(),
  result: z.unknown().optional(),
  error: z.unknown().optional(),
  reason: z.string().optional(),
  /** Of the whole, at its end. */
  status: z.string().optional(),
});
export type Workflow = z.infer<typeof workflowBody>;

export const workflowReady = defineMessage({
  name: 'workflowReady',
  subject: subjects.workflowReady,
  by: 'COORDINATION',
  body: workflowBody,
  raw: orEmpty,
});

export const workflowComplete = defineMessage({
  name: 'workflowComplete',
  subject: subjects.workflowComplete,
  by: 'COORDINATION',
  body: workflowBody,
  raw: orEmpty,
});

export const workflowError = defineMessage({
  name: 'workflowError',
  subject: subjects.workflowError,
  by: 'COORDINATION',
  body: workflowBody,
  raw: orEmpty,
});

export const workflowCancel = defineMessage({
  name: 'workflowCancel',
  subject: subjects.workflowCancel,
  by: 'COORDINATION',
  body: workflowBody,
  raw: orEmpty,
});
