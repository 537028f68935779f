/** A defined workflow is started, and any is cancelled, when somebody asks for it. Pure. */
import { contentId } from '#shared/content-id.ts';
import { type Decision, done } from '#shared/entity/entity.ts';
import type { controlWorkflowCancel, controlWorkflowStart } from '#shared/messages/control-coordination.ts';
import type { Received } from '#shared/messages/message.ts';
import { shortened } from '#shared/shortened.ts';
import { close, end, MAX_KEPT_BYTES, open, setStage } from './change.ts';
import { begin, inputOf, mostFor } from './drive.ts';
import { type Ctx, MAX_TIMEOUT_MS, type Workflow } from './state.ts';

export const fresh = (mode: Workflow['mode'], { now }: Ctx): Workflow => ({
  mode,
  status: 'running',
  startedAt: now,
  changedAt: now,
  stages: {},
  events: 0,
});

const refuse = (code: string, message: string): Decision<Workflow> => done({ reply: { error: { code, message } } });

export const start = (before: Workflow | undefined, { body }: Received<typeof controlWorkflowStart>, context: Ctx): Decision<Workflow> => {
  const { stages, payload, by } = body;
  const reply = { body: { workflow_id: context.id, stages: stages.length } };
  const definition = contentId({ stages, payload });
  if (before?.definition === definition) return done({ reply });
  if (before) return refuse('already_known', `workflow ${context.id} is known already: give this one another id`);
  const input = inputOf(payload);
  const change = open({ ...fresh('defined', context), definition, ...(by !== undefined && { startedBy: by }) }, context);
  for (const { number, name, timeout_ms = context.settings.timeout, max_attempts = context.settings.maxAttempts } of stages)
    setStage(change, {
      number,
      name,
      status: 'planned',
      timeout: Math.min(timeout_ms, MAX_TIMEOUT_MS),
      maxAttempts: max_attempts,
      attempts: 0,
      inputs: [],
    });
  const first = Math.min(...stages.map(({ number }) => number));
  const most = Math.min(MAX_KEPT_BYTES, mostFor(change, first));
  if (Buffer.byteLength(input.data) > most)
    return refuse('payload_too_large', `the payload has more than ${most} bytes: store it elsewhere and send a reference`);
  begin(change, first, input, undefined, by);
  return { ...close(change), reply } as Decision<Workflow>;
};

export const reasonOf = ({ reason = 'cancelled' }: { reason?: string | undefined }): string => shortened(reason) as string;

export const cancel = (
  before: Workflow | undefined,
  { body }: Received<typeof controlWorkflowCancel>,
  context: Ctx,
): Decision<Workflow> => {
  if (!before) return refuse('not_found', `no workflow ${context.id} is known: look at its id`);
  if (before.status !== 'running') return refuse('already_ended', `workflow ${context.id} has ended already: ${before.status}`);
  const change = open(before, context);
  end(change, 'cancelled', reasonOf(body), true);
  return { ...close(change), reply: { body: { workflow_id: context.id, status: 'cancelled' } } } as Decision<Workflow>;
};
