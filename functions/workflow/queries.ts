/** `control.workflow.show` and `list`: a workflow with its stages and a page of its history; workflows of a status, a page at a time. */
import type { Reader } from '#shared/entity/reader.ts';
import { listQuery } from '#shared/function/entity-query.ts';
import { defineQuery } from '#shared/function/query.ts';
import { controlWorkflowList, controlWorkflowShow } from '#shared/messages/control-coordination.ts';
import { HISTORY } from './change.ts';
import { lookupOf, stagesOf, stageToWire, toWire, type Workflow, workflowKind } from './state.ts';

const HISTORY_PAGE = 200;

type Shown = { workflow: Workflow | undefined; history: ReadonlyMap<string, unknown> };

const readShown = async (reader: Reader, id: string, after: string | undefined): Promise<Shown> => {
  const page = { limit: HISTORY_PAGE, ...(after !== undefined && { after }) };
  const [found, history] = await Promise.all([reader.load(workflowKind, [id]), reader.children(workflowKind, id, HISTORY, page)]);
  return { workflow: found.get(id), history };
};

export const show = defineQuery({
  message: controlWorkflowShow,
  read: ({ body: { workflow_id, after } }, reader) => readShown(reader, workflow_id, after),
  answer: ({ workflow, history }: Shown, { body: { workflow_id } }) => {
    if (!workflow)
      return { error: { code: 'not_found', message: `no workflow ${workflow_id} is known: it is forgotten 7 days after its last change` } };
    const next = history.size === HISTORY_PAGE ? [...history.keys()].at(-1) : undefined;
    const stages = stagesOf(workflow).map(stageToWire);
    return { body: { ...toWire(workflow_id, workflow), stages, history: [...history.values()], ...(next !== undefined && { next }) } };
  },
});

export const list = listQuery({
  message: controlWorkflowList,
  kind: workflowKind,
  lookup: ({ body: { status = 'running' } }) => lookupOf(status),
  as: 'workflows',
  item: (id, workflow, { body: { status = 'running' } }) => (workflow.status === status ? toWire(id, workflow) : undefined),
  // Less than 1 KB each.
  most: 400,
});
