/**
 * The one place where a subject is spelled. A pattern is a subject with parameters in angle brackets
 * (`agent.<agent_id>.created`); a last parameter with dots (`dlq.<subject...>`) takes the rest.
 *
 * A parameter is one token of letters, digits, `_` and `-`, and a subject has fewer than 255 characters. A rest is a
 * subject of somebody else: it may be anything that NATS carries, for what arrived must be able to be dead-lettered.
 */
export type SubjectPattern = string;

type ParamNames<P extends string> = P extends `${string}<${infer Name}>${infer Rest}`
  ? (Name extends `${infer Many}...` ? Many : Name) | ParamNames<Rest>
  : never;

/** The parameters of a pattern: each one token, a last one with dots several. */
export type SubjectParams<P extends string> = string extends P ? Record<string, string> : { [N in ParamNames<P>]: string };

/** Every subject on which a message of the catalogue travels. A parameter is named as the body field that repeats it. */
export const subjects = {
  agentCreated: 'agent.<agent_id>.created',
  agentStarted: 'agent.<agent_id>.started',
  agentReady: 'agent.<agent_id>.ready',
  agentStopped: 'agent.<agent_id>.stopped',
  agentError: 'agent.<agent_id>.error',
  agentHeartbeat: 'agent.<agent_id>.heartbeat',
  agentSnapshot: 'agent.<agent_id>.snapshot',
  agentSuspended: 'agent.<agent_id>.suspended',
  agentResumed: 'agent.<agent_id>.resumed',
  agentDraining: 'agent.<agent_id>.draining',
  sessionHeartbeat: 'agents.hb.<agent>.<owner>.<session>',
  commandExecute: 'agent.<agent_id>.cmd.execute',
  commandPause: 'agent.<agent_id>.cmd.pause',
  commandResume: 'agent.<agent_id>.cmd.resume',
  commandShutdown: 'agent.<agent_id>.cmd.shutdown',
  commandConfig: 'agent.<agent_id>.cmd.config',
  commandStatus: 'agent.<agent_id>.cmd.status',
  agentResponse: 'agent.<agent_id>.resp.<request>',
  commandAnswer: 'command.answer.<command_id>.<index>.<agent_id>',
  agentAction: 'agents.<domain>.<name>.<action>',
  discoveryResolve: 'agents.discovery.resolve',
  discoveryFind: 'agents.discovery.find',
  agentAvailable: 'agents.registry.available',
  health: 'supervision.health.<agent_id>',
  failure: 'supervision.failures.<severity>',
  recovery: 'supervision.recovery.<agent_id>',
  escalation: 'supervision.escalation.<escalation_level>',
  pattern: 'supervision.events',
  supervisorEvent: 'supervisor.<supervisor_id>.events',
  supervisorRestart: 'supervisor.<supervisor_id>.cmd.restart',
  alert: 'alerts.<severity>',
  notification: 'notifications.<severity>',
  task: 'coordination.tasks.<coordination_type>',
  taskAssignment: 'coordination.tasks.assignment.<agent_id>',
  taskStatus: 'coordination.tasks.status.<task_id>',
  taskDone: 'coordination.tasks.done.<task_id>',
  taskUnblocked: 'coordination.tasks.unblocked.<task_id>',
  resource: 'coordination.resources.<resource_type>',
  resourceRequest: 'coordination.resources.request.<resource_id>',
  resourceGranted: 'coordination.resources.granted.<requester>',
  consensus: 'coordination.consensus.<consensus_id>',
  consensusRound: 'coordination.consensus.<consensus_id>.round.<round>',
  consensusResult: 'coordination.consensus.<consensus_id>.result',
  leaderElection: 'coordination.election.<domain>',
  barrier: 'coordination.sync.barrier.<barrier_id>',
  barrierReleased: 'coordination.sync.released.<barrier_id>',
  electionVote: 'election.<domain>.vote',
  electionVoteResponse: 'election.<domain>.vote.resp.<agent_id>',
  electionLeader: 'election.<domain>.leader',
  electionHeartbeat: 'election.<domain>.heartbeat',
  scatterTask: 'scatter.<request_id>.task',
  gatherResult: 'gather.<request_id>.result',
  gatherComplete: 'gather.<request_id>.complete',
  pipelineStage: 'pipeline.<workflow_id>.<stage_number>.<stage>',
  pipelineComplete: 'pipeline.<workflow_id>.complete',
  workflowReady: 'coord.<workflow_id>.ready',
  workflowComplete: 'coord.<workflow_id>.complete',
  workflowError: 'coord.<workflow_id>.error',
  workflowCancel: 'coord.<workflow_id>.cancel',
  work: 'work.<domain>.<priority>.<type>',
  broadcastGlobal: 'broadcast.global.<event>',
  broadcastDomain: 'broadcast.domain.<domain>.<event>',
  broadcastEmergency: 'broadcast.emergency.<event>',
  circuitReport: 'circuit.<service>.report',
  circuitOpen: 'circuit.<service>.open',
  circuitClosed: 'circuit.<service>.closed',
  circuitHalfOpen: 'circuit.<service>.half-open',
  deadLetter: 'dlq.<subject...>',
  maxDeliveries: '$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.<stream>.<consumer>',
  messageTerminated: '$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.<stream>.<consumer>',
  agentMetric: 'metrics.agent.<agent_id>.<metric>',
  systemMetric: 'metrics.system.<component>.<metric>',
  healthCheck: 'health.check.<agent_id>',
  healthCheckAll: 'health.check.all',
  healthAnswer: 'health.answer.<agent_id>',
  orchestratorBroadcast: 'orchestrator.broadcast.<message_type>',
  orchestratorAgent: 'orchestrator.agent.<to_agent>.<message_type>',
  orchestratorTeam: 'orchestrator.team.<team_id>.<message_type>',
  orchestratorQueue: 'orchestrator.queue.<queue>',
  agentCommand: 'agent.command',
  systemControl: 'system.control',
  route: 'route.<subject...>',
  controlGatherPage: 'control.gather.page',
  controlGatherShow: 'control.gather.show',
  controlGatherCancel: 'control.gather.cancel',
  controlDlqList: 'control.dlq.list',
  controlDlqShow: 'control.dlq.show',
  controlDlqReplay: 'control.dlq.replay',
  controlDlqDiscard: 'control.dlq.discard',
  controlCircuitList: 'control.circuit.list',
  controlCircuitForce: 'control.circuit.force',
  controlCircuitReset: 'control.circuit.reset',
  controlEscalationList: 'control.escalation.list',
  controlEscalationAck: 'control.escalation.ack',
  controlEscalationResolve: 'control.escalation.resolve',
  controlTasksShow: 'control.tasks.show',
  controlTasksCancel: 'control.tasks.cancel',
  controlGroupShow: 'control.group.show',
  controlGroupPage: 'control.group.page',
  controlGroupList: 'control.group.list',
  controlGroupCancel: 'control.group.cancel',
  controlSupervisorDefine: 'control.supervisor.define',
  controlSupervisorRemove: 'control.supervisor.remove',
  controlSupervisorAddChild: 'control.supervisor.add_child',
  controlSupervisorRemoveChild: 'control.supervisor.remove_child',
  controlSupervisorShow: 'control.supervisor.show',
  controlRecoveryList: 'control.recovery.list',
  controlHealthShow: 'control.health.show',
  controlPatternsList: 'control.patterns.list',
  controlAlertsList: 'control.alerts.list',
  controlAlertsSilence: 'control.alerts.silence',
  controlAlertsUnsilence: 'control.alerts.unsilence',
  controlAlertsResolve: 'control.alerts.resolve',
  controlMetricsQuery: 'control.metrics.query',
  controlOrchestratorList: 'control.orchestrator.list',
  controlWorkflowStart: 'control.workflow.start',
  controlWorkflowShow: 'control.workflow.show',
  controlWorkflowList: 'control.workflow.list',
  controlWorkflowCancel: 'control.workflow.cancel',
  controlSagaStart: 'control.saga.start',
  controlSagaShow: 'control.saga.show',
  controlSagaList: 'control.saga.list',
  controlSagaCancel: 'control.saga.cancel',
  controlCommandSend: 'control.command.send',
  controlCommandShow: 'control.command.show',
  controlHealthCheck: 'control.health.check',
  controlBroadcastSend: 'control.broadcast.send',
  controlBroadcastEmergency: 'control.broadcast.emergency',
  controlResourceCheck: 'control.resource.check',
  controlResourceShow: 'control.resource.show',
  controlResourceList: 'control.resource.list',
  controlBarrierShow: 'control.barrier.show',
  controlBarrierList: 'control.barrier.list',
  controlElectionShow: 'control.election.show',
  controlElectionList: 'control.election.list',
  controlElectionResign: 'control.election.resign',
  controlRoutingSet: 'control.routing.set',
  controlRoutingRemove: 'control.routing.remove',
  controlRoutingList: 'control.routing.list',
  controlRoutingExplain: 'control.routing.explain',
  controlReconcilerRun: 'control.reconciler.run',
  controlBridgeList: 'control.bridge.list',
  controlBridgeShow: 'control.bridge.show',
  controlBridgePause: 'control.bridge.pause',
  controlBridgeResume: 'control.bridge.resume',
  controlBridgeReset: 'control.bridge.reset',
  controlBridgeReplay: 'control.bridge.replay',
} as const;

/** Subjects between the parts of the product. No message of the catalogue travels there. */
export const internalSubjects = {
  timerSet: 'timers.set.<function>.<key...>',
  timerDue: 'timers.due.<function>.<key...>',
  /** A put into the bucket AGENT_STATE. */
  agentState: '$KV.AGENT_STATE.agent.<agent_id>',
} as const;

/** A subject that cannot be published to; `token` is the part that is wrong. */
export class SubjectError extends Error {
  override name = 'SubjectError';
  readonly token: string;
  constructor(message: string, token: string) {
    super(message);
    this.token = token;
  }
}

/** Characters of a subject, a carried one (`dlq.<subject...>`) excepted. */
export const MAX_LENGTH = 254;
/** What can be an id. `__proto__` is none: what a state keeps by id would lose it. */
export const TOKEN = /^(?!__proto__$)[A-Za-z0-9_-]+$/;
// NATS forbids white space in a subject; control characters would only hide in a log.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CARRIED = /^[^\s\x00-\x1f\x7f]+$/;

/** Whether it can be an id: one token of letters, digits, `_` and `-`. */
export const isToken = (text: string): boolean => TOKEN.test(text);

const carriedProblem = (token: string): string | undefined => {
  if (token === '') return 'an empty token: write something between the dots';
  if (token === '*' || token === '>') return `the wildcard "${token}", which reaches nobody in a publish: name each receiver`;
  if (!CARRIED.test(token)) return `the token ${JSON.stringify(token)}: leave out white space and control characters`;
  return undefined;
};

const checkCarried = (subject: string, of: string): void => {
  for (const token of subject.split('.')) {
    const problem = carriedProblem(token);
    if (problem) throw new SubjectError(`${of} has ${problem}`, token);
  }
};

const checkLength = (subject: string): void => {
  if (subject.length > MAX_LENGTH)
    throw new SubjectError(
      `subject ${subject.slice(0, 40)}… has ${subject.length} characters: keep it under 255 with shorter ids`,
      subject,
    );
};

/** Throws a SubjectError unless the subject can be published to: non-empty tokens, no wildcard, under 255 characters. */
export const checkPublishable = (subject: string): void => {
  checkCarried(subject, `subject ${JSON.stringify(subject.slice(0, MAX_LENGTH))}`);
  checkLength(subject);
};

/** A token of a pattern. */
type Segment = { literal: string } | { param: string; many: boolean };

const compiled = new Map<string, Segment[]>();

/** A pattern, token by token. */
export const segmentsOf = (pattern: string): Segment[] => {
  let segments = compiled.get(pattern);
  if (!segments) {
    // The dots of a many-parameter are not separators.
    segments = (pattern.match(/<[^>]*>|[^.<]+/g) ?? []).map((part) => {
      if (!part.startsWith('<')) return { literal: part };
      const many = part.endsWith('...>');
      return { param: part.slice(1, many ? -4 : -1), many };
    });
    compiled.set(pattern, segments);
  }
  return segments;
};

/** The names of a pattern's parameters, in order. */
export const paramNames = (pattern: SubjectPattern): string[] =>
  segmentsOf(pattern).flatMap((segment) => ('param' in segment ? [segment.param] : []));

/** The subject of a pattern. Throws a SubjectError that names the offending token. */
export const buildSubject = <P extends string>(pattern: P, params: SubjectParams<P>): string => {
  let subject = '';
  let bounded = true;
  for (const segment of segmentsOf(pattern)) {
    if (subject !== '') subject += '.';
    if ('literal' in segment) {
      subject += segment.literal;
      continue;
    }
    const value = (params as Record<string, string | undefined>)[segment.param] ?? '';
    if (segment.many) {
      checkCarried(value, `${segment.param} of ${pattern}`);
      bounded = false;
    } else if (!TOKEN.test(value))
      throw new SubjectError(
        `${segment.param} ${JSON.stringify(value)} of ${pattern} is not one token: use letters, digits, _ and - only`,
        value,
      );
    subject += value;
  }
  if (bounded) checkLength(subject);
  return subject;
};

/** The parameters of a subject, or undefined where it is none of this pattern's. */
export const parseSubject = <P extends string>(pattern: P, subject: string): SubjectParams<P> | undefined => {
  const params: Record<string, string> = {};
  let start = 0;
  for (const segment of segmentsOf(pattern)) {
    if (start > subject.length) return undefined;
    if ('param' in segment && segment.many) {
      params[segment.param] = subject.slice(start);
      return start < subject.length ? (params as SubjectParams<P>) : undefined;
    }
    const dot = subject.indexOf('.', start);
    const token = subject.slice(start, dot === -1 ? subject.length : dot);
    if ('literal' in segment) {
      if (token !== segment.literal) return undefined;
    } else {
      if (!TOKEN.test(token)) return undefined;
      params[segment.param] = token;
    }
    start += token.length + 1;
  }
  return start > subject.length && subject.length <= MAX_LENGTH ? (params as SubjectParams<P>) : undefined;
};

/** The NATS filter of all subjects of a pattern: `agent.*.created`, `dlq.>`. */
export const toFilter = (pattern: SubjectPattern): string =>
  segmentsOf(pattern)
    .map((segment) => ('literal' in segment ? segment.literal : segment.many ? '>' : '*'))
    .join('.');

const tokenEnd = (text: string, start: number): number => {
  const dot = text.indexOf('.', start);
  return dot === -1 ? text.length : dot;
};

/** Whether a NATS filter matches a subject: `*` stands for one token, a last `>` for one or more. */
export const matchesFilter = (filter: string, subject: string): boolean => {
  let at = 0;
  for (let start = 0; start <= filter.length; ) {
    if (at > subject.length) return false;
    const token = filter.slice(start, tokenEnd(filter, start));
    const end = tokenEnd(subject, at);
    if (token === '>' && start + 1 === filter.length) return true;
    if (token !== '*' && (end - at !== token.length || !subject.startsWith(token, at))) return false;
    start += token.length + 1;
    at = end + 1;
  }
  return at > subject.length;
};
