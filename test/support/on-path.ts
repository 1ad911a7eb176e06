import fs from 'node:fs';
import path from 'node:path';

/** Where a program of this machine is: on PATH, or among those that only root has there. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/sbin'];
  return folders.map((folder) => path.join(folder, name)).find((file) => fs.existsSync(file));
}

/** The reason for `itWhere`, if this machine has no such program. */
export function whyNo(name: string): string | undefined {
  return findProgram(name) === undefined ? `no ${name} on PATH` : undefined;
}
