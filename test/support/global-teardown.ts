import { rm } from 'node:fs/promises';
import { servers } from './servers.ts';

export default async function teardown(): Promise<void> {
  await servers.redis?.stop();
  await servers.postgres?.stop();
  if (servers.postgres !== undefined && servers.postgres.directory !== servers.directory) {
    await rm(servers.postgres.directory, { recursive: true, force: true });
  }
  if (servers.directory !== undefined) await rm(servers.directory, { recursive: true, force: true });
}
