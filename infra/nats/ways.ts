/**
 * Of every subject: which way it goes between the accounts, and which role says and hears it. A domain has an account of its
 * own; streams, bridges and functions are in the account CONTROL. `accounts.ts` makes exports and imports of it,
 * `permissions.ts` what a user may do.
 *
 * A parameter `<domain>` is narrowed to the account's own domain, and for `own` the parameters in `permissions.ts` to the
 * user's own id, so `own` of a subject without any of them is the same as `any`.
 */
import type { subjects } from '#shared/subjects.ts';

/**
 * `report`: from a domain to CONTROL, with the answer: a function's, or the acknowledgement of a stream.
 * `tell`: from CONTROL to the domains. Never together with `report`: what one domain reports would be told to agents of all
 * domains, but only to those at other servers.
 * `ask`: a request from CONTROL that agents answer.
 * `call`: a request from any other domain to the domain that the subject names.
 * None: it stays in the account that it was published in.
 */
export type Way = 'report' | 'tell' | 'ask' | 'call';

/** The roles of a domain. Who coordinates or supervises is an agent, too. */
export type DomainRole = 'agent' | 'coordinator' | 'supervisor';
/** Or the pattern of its own, where that is not the subject's. */
type Grant = 'own' | 'any' | `${string}.${string}`;
type Verbs = { says?: Grant; hears?: Grant };

export type Rule = { ways: Way[]; roles: Partial<Record<DomainRole, Verbs>> };

const rule = (ways: Way[], roles: Rule['roles'] = {}): Rule => ({ ways, roles });

// A supervisor's process speaks for agents that do not speak NATS.
const lifecycle = rule(['report'], { agent: { says: 'own' }, supervisor: { says: 'any', hears: 'agent.*.*' } });
const command = rule(['ask'], {
  agent: { hears: 'agent.<agent_id>.cmd.*' },
  coordinator: { says: 'any' },
  supervisor: { says: 'any' },
});
const agentsSay = rule(['report'], { agent: { says: 'own' } });
const agentsShare = rule(['report'], { agent: { says: 'own', hears: 'own' } });
const agentsHear = rule(['tell'], { agent: { hears: 'own' } });
const amongAgents = rule([], { agent: { says: 'any', hears: 'any' } });
const agentsDiscuss = rule(['report'], { agent: { says: 'any', hears: 'any' } });
const circuitState = rule(['tell'], { agent: { says: 'any', hears: 'circuit.<service>.*' } });
const workflow = rule(['report'], { agent: { says: 'any' }, coordinator: { says: 'any', hears: 'coord.>' } });
const supervisorsAsk = rule(['report'], { supervisor: { says: 'any' } });
const coordinatorsAsk = rule(['report'], { coordinator: { says: 'any' } });
const inside = rule([]);

export const rules: Record<keyof typeof subjects, Rule> = {
  agentCreated: lifecycle,
  agentStarted: lifecycle,
  agentReady: lifecycle,
  agentStopped: lifecycle,
  agentError: lifecycle,
  agentHeartbeat: lifecycle,
  agentSnapshot: rule(['report'], { agent: { says: 'own' } }),
  agentSuspended: inside,
  agentResumed: inside,
  agentDraining: inside,
  // Sessions of another protocol: the tokens are not ids of agents here.
  sessionHeartbeat: rule(['report'], { agent: { says: 'any' } }),
  commandExecute: command,
  commandPause: command,
  commandResume: command,
  commandShutdown: rule(['ask'], { ...command.roles, supervisor: { says: 'any', hears: 'any' } }),
  commandConfig: command,
  commandStatus: command,
  agentResponse: rule(['report'], { agent: { says: 'own' }, coordinator: { hears: 'any' }, supervisor: { hears: 'any' } }),
  // Only as the reply subject of a command, which whoever is asked may answer.
  commandAnswer: inside,
  agentAction: rule(['ask', 'call'], { agent: { says: 'any', hears: 'own' } }),
  discoveryResolve: agentsSay,
  discoveryFind: agentsSay,
  agentAvailable: rule(['report'], { agent: { says: 'own' }, supervisor: { hears: 'any' } }),
  health: rule(['report'], { agent: { says: 'own' }, supervisor: { hears: 'any' } }),
  failure: rule(['report'], { agent: { says: 'any' }, supervisor: { hears: 'any' } }),
  recovery: rule(['tell'], { supervisor: { hears: 'any' } }),
  escalation: supervisorsAsk,
  pattern: supervisorsAsk,
  supervisorEvent: rule(['report'], { supervisor: { says: 'own', hears: 'own' } }),
  supervisorRestart: rule(['tell'], { supervisor: { hears: 'own' } }),
  alert: agentsSay,
  notification: inside,
  task: coordinatorsAsk,
  taskAssignment: agentsHear,
  taskStatus: rule(['report'], { agent: { says: 'any' } }),
  taskUnblocked: inside,
  taskDone: rule(['tell'], { coordinator: { hears: 'any' } }),
  resource: agentsSay,
  resourceRequest: agentsSay,
  resourceGranted: agentsHear,
  consensus: agentsShare,
  consensusRound: agentsShare,
  consensusResult: agentsHear,
  leaderElection: agentsShare,
  barrier: agentsSay,
  barrierReleased: agentsHear,
  electionVote: agentsSay,
  electionVoteResponse: agentsHear,
  electionLeader: rule(['tell'], { agent: { says: 'own', hears: 'own' } }),
  electionHeartbeat: agentsShare,
  scatterTask: rule(['report'], { agent: { hears: 'any' }, coordinator: { says: 'any' } }),
  gatherResult: rule(['report'], { agent: { says: 'any' }, coordinator: { hears: 'any' } }),
  gatherComplete: rule(['tell'], { coordinator: { says: 'any', hears: 'any' } }),
  pipelineStage: agentsShare,
  pipelineComplete: rule(['report'], { agent: { says: 'any' }, coordinator: { hears: 'any' } }),
  workflowReady: workflow,
  workflowComplete: workflow,
  workflowError: workflow,
  workflowCancel: rule(['report'], { agent: { hears: 'any' }, coordinator: { says: 'any' } }),
  work: rule(['report', 'call'], { agent: { says: 'own', hears: 'work.<domain>.>' }, coordinator: { says: 'any' } }),
  broadcastGlobal: agentsHear,
  broadcastDomain: rule(['tell'], { agent: { hears: 'own' }, coordinator: { says: 'own' }, supervisor: { says: 'own' } }),
  broadcastEmergency: agentsHear,
  circuitReport: agentsSay,
  circuitOpen: circuitState,
  circuitClosed: circuitState,
  circuitHalfOpen: circuitState,
  // A worker gives up on work.
  deadLetter: rule(['report'], { agent: { says: 'dlq.work.<domain>.>' } }),
  maxDeliveries: inside,
  messageTerminated: inside,
  agentMetric: agentsSay,
  systemMetric: inside,
  healthCheck: rule(['ask'], { agent: { hears: 'own' }, supervisor: { says: 'any' } }),
  healthCheckAll: rule(['ask'], { agent: { hears: 'any' }, supervisor: { says: 'any' } }),
  healthAnswer: rule(['report'], { agent: { says: 'own' } }),
  orchestratorBroadcast: agentsDiscuss,
  orchestratorAgent: rule(['report'], { agent: { says: 'any', hears: 'own' } }),
  orchestratorTeam: amongAgents,
  orchestratorQueue: amongAgents,
  agentCommand: agentsHear,
  systemControl: agentsHear,
  route: agentsSay,
  controlGatherPage: coordinatorsAsk,
  controlGatherShow: coordinatorsAsk,
  controlGatherCancel: coordinatorsAsk,
  controlDlqList: inside,
  controlDlqShow: inside,
  controlDlqReplay: inside,
  controlDlqDiscard: inside,
  controlCircuitList: supervisorsAsk,
  controlCircuitForce: inside,
  controlCircuitReset: inside,
  controlEscalationList: supervisorsAsk,
  controlEscalationAck: supervisorsAsk,
  controlEscalationResolve: supervisorsAsk,
  controlTasksShow: coordinatorsAsk,
  controlTasksCancel: coordinatorsAsk,
  controlGroupShow: coordinatorsAsk,
  controlGroupPage: coordinatorsAsk,
  controlGroupList: coordinatorsAsk,
  controlGroupCancel: coordinatorsAsk,
  controlSupervisorDefine: supervisorsAsk,
  controlSupervisorRemove: supervisorsAsk,
  controlSupervisorAddChild: supervisorsAsk,
  controlSupervisorRemoveChild: supervisorsAsk,
  controlSupervisorShow: supervisorsAsk,
  controlRecoveryList: supervisorsAsk,
  controlHealthShow: supervisorsAsk,
  controlPatternsList: supervisorsAsk,
  controlAlertsList: inside,
  controlAlertsSilence: inside,
  controlAlertsUnsilence: inside,
  controlAlertsResolve: inside,
  controlMetricsQuery: supervisorsAsk,
  controlOrchestratorList: supervisorsAsk,
  controlWorkflowStart: coordinatorsAsk,
  controlWorkflowShow: coordinatorsAsk,
  controlWorkflowList: coordinatorsAsk,
  controlWorkflowCancel: coordinatorsAsk,
  controlSagaStart: coordinatorsAsk,
  controlSagaShow: coordinatorsAsk,
  controlSagaList: coordinatorsAsk,
  controlSagaCancel: coordinatorsAsk,
  controlCommandSend: rule(['report'], { coordinator: { says: 'any' }, supervisor: { says: 'any' } }),
  controlCommandShow: rule(['report'], { coordinator: { says: 'any' }, supervisor: { says: 'any' } }),
  controlHealthCheck: rule(['report'], { coordinator: { says: 'any' }, supervisor: { says: 'any' } }),
  controlBroadcastSend: inside,
  controlBroadcastEmergency: inside,
  controlResourceCheck: agentsSay,
  controlResourceShow: coordinatorsAsk,
  controlResourceList: coordinatorsAsk,
  controlBarrierShow: coordinatorsAsk,
  controlBarrierList: coordinatorsAsk,
  controlElectionShow: agentsSay,
  controlElectionList: agentsSay,
  controlElectionResign: rule(['report'], { coordinator: { says: 'any' }, supervisor: { says: 'any' } }),
  controlRoutingSet: inside,
  controlRoutingRemove: inside,
  controlRoutingList: coordinatorsAsk,
  controlRoutingExplain: coordinatorsAsk,
  controlReconcilerRun: inside,
  controlBridgeList: inside,
  controlBridgeShow: inside,
  controlBridgePause: inside,
  controlBridgeResume: inside,
  controlBridgeReset: inside,
  controlBridgeReplay: inside,
};
