import { BackupEnvironment, loadConfigOrExit, MigrationEnvironment } from '../src/config.ts';
import { EX_USAGE } from '../src/platform/command.ts';
import { Archive } from './archive.ts';
import { RECORDED, recordSuccess } from './backup-record.ts';
import type { Recorded } from './backup-record.ts';
import { takeBaseBackup } from './base-backup.ts';
import { listBackups } from './list-backups.ts';
import { receiveWal } from './receive-wal.ts';
import { verify } from './verify.ts';

const USAGE = `Usage: npm run backup                      a base backup now, then the rotation (the same as -- base)
       npm run backup -- wal               streams the log into the archive, for as long as it runs
       npm run backup -- verify            restores the newest backup into a temporary server, and inspects it
       npm run backup -- list              what there is, and which times can be restored
       npm run backup -- record <kind>     tells the metrics of a success elsewhere: ${RECORDED.join(', ')}
       npm run backup -- drill [--messages N] [--record]
                                           rehearses the disaster on servers of its own`;

const say = (line: string): void => {
  console.log(line);
};

async function main([command = 'base', ...rest]: readonly string[]): Promise<number> {
  if (command === '--help') {
    say(USAGE);
    return 0;
  }
  const [kind] = rest;
  if (command === 'drill') {
    // Only here: the drill needs stand-ins, which an image for operators lacks.
    const { runDrillCommand } = await import('./drill-command.ts');
    return await runDrillCommand(rest, say);
  }
  if (command === 'record' && rest.length === 1 && isRecorded(kind)) {
    await recordSuccess(loadConfigOrExit(MigrationEnvironment).databaseUrl.reveal(), kind);
    return 0;
  }
  if (!['base', 'wal', 'verify', 'list'].includes(command) || rest.length > 0) {
    console.error(USAGE);
    return EX_USAGE;
  }
  const config = loadConfigOrExit(BackupEnvironment);
  const archive = new Archive(config.directory, config.key, config.keyPrevious);
  const databaseUrl = config.databaseUrl.reveal();
  const replicationUrl = config.replicationUrl.reveal();
  const { postgresBin, keep } = config;
  if (command === 'base') {
    await takeBaseBackup({ archive, replicationUrl, postgresBin, keep, say });
    await recordSuccess(databaseUrl, 'base');
  } else if (command === 'wal') {
    await receiveWal({ archive, replicationUrl, databaseUrl, postgresBin, say }, untilAskedToEnd());
  } else if (command === 'verify') {
    await verify({ archive, postgresBin, say });
    await recordSuccess(databaseUrl, 'verify');
    say('The backup is good');
  } else {
    await listBackups(archive, keep.daily, say);
  }
  return 0;
}

function isRecorded(kind: string | undefined): kind is Recorded {
  return RECORDED.some((known) => known === kind);
}

function untilAskedToEnd(): AbortSignal {
  const asked = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      asked.abort();
    });
  }
  return asked.signal;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  for (let reason = error; reason instanceof Error; reason = reason.cause) console.error(reason.message);
  process.exitCode = 1;
}
