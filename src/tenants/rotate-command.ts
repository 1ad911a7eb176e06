import { loadConfigOrExit, RotationEnvironment } from '../config.ts';
import { EX_USAGE, runCommand } from '../platform/command.ts';
import { masterKeys } from '../platform/crypto.ts';
import { createDatabase, createPool } from '../platform/database.ts';
import { createLogger } from '../platform/logger.ts';
import type { Schema } from '../vocabulary/schema.ts';
import { inspectSealing, rewrapDataKeys } from './master-key.ts';
import type { Sealing } from './master-key.ts';

const USAGE = `Usage: npm run rotate -- master-key --plan    how the tenants' keys are sealed now; changes nothing
       npm run rotate -- master-key           seals them under MASTER_KEY; MASTER_KEY_PREVIOUS opens the old ones`;

async function main([what, option, ...more]: readonly string[]): Promise<number> {
  if (what !== 'master-key' || (option !== undefined && option !== '--plan') || more.length > 0) {
    console.error(USAGE);
    return EX_USAGE;
  }
  const config = loadConfigOrExit(RotationEnvironment);
  const keys = masterKeys(config.masterKey, config.masterKeyPrevious);
  const log = createLogger({ level: 'warn', process: 'rotate' });
  const pool = { name: 'rotate', connectionsMax: 1, queryTimeoutMs: 10_000, acquireTimeoutMs: 5_000 };
  const db = createDatabase<Schema>(createPool(config.databaseUrl, pool, log));
  try {
    if (option === '--plan') return told(await inspectSealing(db, keys));
    const rewrapped = await rewrapDataKeys(db, keys, (count) => {
      console.log(`${count} sealed anew …`);
    });
    console.log(`${rewrapped} sealed anew.`);
    // Asked again with the current key alone: what opens now opens without the other one.
    return told(await inspectSealing(db, keys.slice(0, 1)));
  } finally {
    await db.destroy();
  }
}

function told({ current, pending, unreadable }: Sealing): number {
  console.log(
    `${current} under MASTER_KEY, ${pending} under MASTER_KEY_PREVIOUS, ${unreadable.length} that do not open.`,
  );
  for (const id of unreadable) console.error(`${id}: the key that sealed it is not here. Keep the previous key.`);
  if (unreadable.length > 0) return 1;
  if (pending === 0) {
    console.log('Nothing in this database needs the previous key.');
    console.log(
      'Give every process the new MASTER_KEY, ask once more with --plan; then MASTER_KEY_PREVIOUS may be removed.',
    );
    console.log(
      'Keep the old key apart until the last backup made under it is gone: without it nobody in that one can be answered.',
    );
  }
  return 0;
}

await runCommand(main);
