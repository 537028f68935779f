/** A command of a few options: help, results on stdout, one sentence on stderr where it fails. */
export const runCommand = async (help: string, run: (args: string[], say: (line: string) => void) => Promise<void>): Promise<void> => {
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) {
    console.log(help);
    return;
  }
  try {
    await run(args, (line) => console.log(line));
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
};
