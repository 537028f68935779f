/** Whether a command can be run, as a shell would look for it. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
};

/** `name`: a path, or what is on PATH. */
export const isProgram = (name: string): boolean =>
  name.includes('/') ? isExecutable(name) : (process.env.PATH ?? '').split(delimiter).some((folder) => isExecutable(join(folder, name)));
