/** What `npm run supervise -- --help` prints. */
import { NATS_HELP } from '../nats/nats-settings.ts';

export const HELP = `npm run supervise -- --id <supervisor> [options] -- <command>: runs agents, tells of those that die, and restarts them
when the control plane says so.

  --id s1               name of this supervisor (needed)
  --agents a1,a2,a3     the agents, in the order in which they are started (<id>-1)
  --count 3             or so many: <id>-1, <id>-2, <id>-3
  --file fleet.yml      or agents with commands of their own, see docs/supervision.md
  --strategy            one_for_one, rest_for_one or one_for_all: who is restarted with one that fails (one_for_one)
  --intensity 3         at most so many restarts
  --period-ms 60000     in so many milliseconds; beyond that the supervisor above it decides
  --restart             permanent, transient (unless it ended with exit code 0) or temporary (never) (permanent)
  --shutdown-ms 5000    so long an agent may take to end after SIGTERM
  --auto-shutdown       never, any_significant or all_significant (never)
  --parent s0           the supervisor above it (root)
  --domain nlp          or that of a domain
  --heartbeat 30        for commands that do not speak NATS: says that they are ready, and every so many seconds that they live

An option that is left out leaves the supervisor as it was the last time. Each command gets AGENT_ID, SUPERVISOR_ID, NATS_URL,
INSTANCE_ID (new with every start), RESTARTS, and after a restart LAST_KNOWN (JSON: its tasks and its last snapshot), or
LAST_KNOWN_FILE where that is large.

Settings are environment variables:
  NATS_URL      the NATS servers, divided by commas (nats://127.0.0.1:4222)
${NATS_HELP}

SIGINT (Ctrl-C) and SIGTERM end the agents, the last one first; a second one at once.
When this process is killed with -9, its agents are killed, too.`;
