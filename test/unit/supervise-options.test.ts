/** What `npm run supervise` is told to run: options, a file, and a sentence for every mistake. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, test } from 'vitest';
import { SettingsError } from '#infra/settings.ts';
import { readFleet } from '#infra/supervise/options.ts';
import { started } from '#infra/supervise/tell.ts';

const folder = mkdtempSync(join(tmpdir(), 'mistersmith-fleet-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (content: string): string => {
  const path = join(folder, 'fleet.yml');
  writeFileSync(path, content);
  return path;
};
const agents = (ids: string[]) => ids.map((id) => ({ id, command: ['sh', 'worker.sh'] }));
const read = (options: string) => readFleet([...options.split(' '), '--', 'sh', 'worker.sh']);

test('one agent, whom nobody named', () => {
  expect(read('--id s1')).toEqual({ id: 's1', agents: agents(['s1-1']) });
});

test('named and counted agents', () => {
  expect([read('--id s1 --agents a1,a2').agents, read('--id s1 --count 3').agents]).toEqual([
    agents(['a1', 'a2']),
    agents(['s1-1', 's1-2', 's1-3']),
  ]);
});

test('what the supervisor is', () => {
  const options = '--strategy rest_for_one --intensity 5 --period-ms 1000 --auto-shutdown any_significant --parent s0 --domain nlp';
  expect(read(`--id s1 ${options} --restart transient --shutdown-ms 100 --heartbeat 0.5`)).toEqual({
    ...{ id: 's1', strategy: 'rest_for_one', intensity: 5, period_ms: 1000, auto_shutdown: 'any_significant', parent: 's0', domain: 'nlp' },
    ...{ restart: 'transient', shutdown_ms: 100, heartbeat: 0.5, agents: agents(['s1-1']) },
  });
});

test('what comes after -- is the command, whatever it looks like', () => {
  expect(readFleet(['--id', 's1', '--', 'sh', '--id', 'x', '--', 'y']).agents).toEqual([
    { id: 's1-1', command: ['sh', '--id', 'x', '--', 'y'] },
  ]);
});

const FLEET = `strategy: rest_for_one
agents:
  - { id: store, command: [sh, store.sh], significant: true }
  - { id: worker, command: [sh, worker.sh], restart: temporary, env: { MODEL: small } }
`;

test('a file of agents with commands of their own; an option goes before it', () => {
  expect(readFleet(['--id', 's1', '--strategy', 'one_for_all', '--file', file(FLEET)])).toEqual({
    id: 's1',
    strategy: 'one_for_all',
    agents: [
      { id: 'store', command: ['sh', 'store.sh'], significant: true },
      { id: 'worker', command: ['sh', 'worker.sh'], restart: 'temporary', env: { MODEL: 'small' } },
    ],
  });
});

test('it says who its children are, in order, and nothing that nobody said', () => {
  const fleet = readFleet(['--id', 's1', '--shutdown-ms', '100', '--domain', 'nlp', '--file', file(FLEET)]);
  expect(started(fleet)).toEqual({
    subject: 'supervisor.s1.events',
    body: {
      ...{ type: 'supervisor_lifecycle', supervisor_id: 's1', event_type: 'started', strategy: 'rest_for_one', parent: 'domain-nlp' },
      children: [
        { id: 'store', significant: true, shutdown_ms: 100 },
        { id: 'worker', restart: 'temporary', shutdown_ms: 100 },
      ],
    },
  });
});

const HELP = ': see npm run supervise -- --help';

it.each([
  ['--agents a1', '--id is needed: the name of this supervisor'],
  ['--id s.1', '--id: must be one token of letters, digits, _ and -, not "s.1"'],
  ['--id s1 --agents a1,a.2', '--agents: must be one token of letters, digits, _ and -, not "a.2"'],
  ['--id s1 --agents a1,a1', 'the agent a1 is named twice: give each an id of its own'],
  ['--id s1 --agents a1 --count 2', '--agents and --count are given: keep one of them'],
  ['--id s1 --count many', '--count many is not a whole number from 1 to 90'],
  ['--id s1 --strategy all', '--strategy: must be one of one_for_one, rest_for_one, one_for_all, not "all"'],
  ['--id s1 --period-ms soon', '--period-ms: must be a number, not "soon"'],
  ['--id s1 --shutdown-ms 1.5', '--shutdown-ms: must be a whole number, not 1.5'],
  ['--id s1 --file fleet.yml', '--file says which agents there are: leave out --agents, --count and the command'],
  ['--id s1 --strateg x', "Unknown option '--strateg'"],
])('refuses %s', (options, sentence) => {
  expect(() => read(options)).toThrow(new SettingsError(sentence + HELP));
});

test('refuses a command that is not there', () => {
  expect(() => readFleet(['--id', 's1'])).toThrow('there is no command: write it after --, or name a --file');
  expect(() => readFleet(['--id', 's1', '--', 'no-such-program'])).toThrow('there is no program no-such-program here: install it');
});

it.each([
  ['agents: [{ id: a1, comand: [sh] }]', 'agents[0].command: must be a list, such as [python3, worker.py] and is missing'],
  ['agents: [{ id: a1, command: sh worker.sh }]', 'agents[0].command: must be a list, such as [python3, worker.py], not "sh worker.sh"'],
  ['agents: [{ id: a1, command: [sh], heartbeats: 1 }]', 'agent 1 of agents has no field heartbeats: take id, command, env, significant'],
  ['strategie: one_for_one', 'agents: must be the list of agents and is missing'],
  ['agents: []', 'agents: must have at least 1 elements, not []'],
  ['- a1', 'has no fields: write agents: and what else the fleet is'],
  ['agents: [', 'cannot be read ('],
])('refuses a file: %s', (content, sentence) => {
  const path = file(content);
  expect(() => readFleet(['--id', 's1', '--file', path])).toThrow(sentence);
  expect(() => readFleet(['--id', 's1', '--file', path])).toThrow(path);
});
