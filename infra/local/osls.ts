/** Runs the real osls against an endpoint of this machine. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { awsEnvironment, REGION, STAGE } from './deployment.ts';
import { ROOT } from './settings.ts';

export type OslsOptions = {
  endpoint: string;
  /** The folder of serverless.yml. */
  folder?: string;
  /** Shows all that it says, instead of keeping it for an error. */
  verbose?: boolean;
  /** Ends it. */
  signal?: AbortSignal;
};

/** What it says at its end: a sentence, which may go on in lines of their own. */
const sentenceOf = (output: string): string | undefined =>
  output
    .split(/^Error:\n/m)[1]
    ?.split('\n\n')[0]
    ?.trim()
    .replace(/\s*\n\s*/g, ' ');

/** Rejects with osls' own sentence, or with the reason of `signal`, in any case after its end. */
export const osls = async (
  command: 'deploy' | 'remove',
  { endpoint, folder = ROOT, verbose = false, signal }: OslsOptions,
): Promise<void> => {
  signal?.throwIfAborted();
  const args = [join(folder, 'infra/serverless/osls.ts'), command, '--stage', STAGE, '--region', REGION, ...(verbose ? ['--verbose'] : [])];
  // Its default of five seconds is for the real CloudFormation.
  const env = { ...awsEnvironment(endpoint, process.env), SLS_AWS_MONITORING_FREQUENCY: '300' };
  const shown = verbose ? 'inherit' : 'pipe';
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', shown, shown] });
  signal?.addEventListener('abort', () => child.kill(), { once: true });
  const output = Promise.all([child.stdout, child.stderr].map((stream) => (stream ? text(stream) : '')));
  const code = await new Promise<number | null>((resolve, reject) => child.once('exit', resolve).once('error', reject));
  const said = (await output).join('\n');
  signal?.throwIfAborted();
  if (code !== 0) throw new Error(`osls ${command} failed: ${sentenceOf(said) ?? `it ended with ${code}`}`);
};
