/** A Python with nats-py, in a virtual environment of the project's own, and the fleet of test/python that it plays. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const REQUIREMENTS = 'test/python/requirements.txt';

/** The path of its interpreter; made at the first call, and again when the requirements change. */
export const pythonWithNats = async (): Promise<string> => {
  const hash = createHash('sha256')
    .update(await readFile(REQUIREMENTS))
    .digest('hex')
    .slice(0, 12);
  const folder = `.mistersmith/python-${hash}`;
  const python = `${folder}/bin/python`;
  const done = await access(`${folder}/done`).then(
    () => true,
    () => false,
  );
  if (done) return python;
  await run('python3', ['-m', 'venv', '--clear', folder]);
  await run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--require-hashes', '-r', REQUIREMENTS]);
  await run('touch', [`${folder}/done`]);
  return python;
};

export const PYTHON_ENV = { ...process.env, PYTHONPATH: 'test/python', PYTHONDONTWRITEBYTECODE: '1' };

/** What a scenario of the fleet observed, by the name of the observation. */
export const playScenario = async (python: string, url: string, scenario: string): Promise<Record<string, unknown>> => {
  const args = ['-m', 'fleet', '--url', url, '--scenario', scenario, '--heartbeat', '0.2'];
  const { stdout } = await run(python, args, { env: PYTHON_ENV });
  const observations = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { observation: string; value: unknown });
  return Object.fromEntries(observations.map(({ observation, value }) => [observation, value]));
};
