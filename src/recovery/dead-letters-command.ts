import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { loadConfigOrExit, MigrationEnvironment } from '../config.ts';
import { reviveTurn } from '../conversation/ownership-store.ts';
import { reviveReply } from '../delivery/reply-store.ts';
import { reviveNotification } from '../handoff/notification-queue.ts';
import { reviveTransfer } from '../handoff/transfer-store.ts';
import { reviveDocument } from '../knowledge/passage-store.ts';
import { EX_USAGE, runCommand } from '../platform/command.ts';
import { createDatabase, createPool } from '../platform/database.ts';
import { createLogger } from '../platform/logger.ts';
import { Failure, FAILURES } from '../vocabulary/failures.ts';
import { DeadLetterId, TenantId } from '../vocabulary/ids.ts';
import type { Schema } from '../vocabulary/schema.ts';
import { discardDeadLetter, replayDeadLetter } from './dead-letters.ts';

const USAGE = `Usage: npm run dead-letters -- list [tenant]       what has given up, newest first; tenant is an id or a slug
       npm run dead-letters -- replay <id>...     do the work again
       npm run dead-letters -- discard <id>...    leave it be`;

const LISTED_MAX = 100;
const revive = { reviveDelivery: reviveReply, reviveTurn, reviveDocument, reviveTransfer, reviveNotification };

async function main([command, ...names]: readonly string[]): Promise<number> {
  const isList = command === 'list' && names.length <= 1;
  const isSettling = (command === 'replay' || command === 'discard') && names.length > 0;
  if (!isList && !isSettling) {
    console.error(USAGE);
    return EX_USAGE;
  }
  const { databaseUrl } = loadConfigOrExit(MigrationEnvironment);
  const log = createLogger({ level: 'warn', process: 'dead-letters' });
  const pool = { name: 'dead-letters', connectionsMax: 1, queryTimeoutMs: 10_000, acquireTimeoutMs: 5_000 };
  const db = createDatabase<Schema>(createPool(databaseUrl, pool, log));
  try {
    if (isList) return await list(db, names[0]);
    const results = [];
    for (const name of names) results.push(await settle(db, command === 'replay' ? 'replay' : 'discard', name));
    return results.every((done) => done) ? 0 : 1;
  } finally {
    await db.destroy();
  }
}

async function list(db: Kysely<Schema>, tenant: string | undefined): Promise<number> {
  const { rows } = await sql<{ id: string; slug: string; stage: string; reason: string; created_at: Date }>`
    select d.id, t.slug, d.stage, d.reason, d.created_at from dead_letter d join tenant t on t.id = d.tenant_id
     where d.state = 'open' and (${tenant ?? null}::text is null or t.slug = ${tenant ?? null} or t.id::text = ${tenant ?? null})
     order by d.created_at desc, d.id desc limit ${LISTED_MAX}`.execute(db);
  for (const row of rows) {
    console.log([row.id, row.created_at.toISOString(), row.slug, row.stage, row.reason].join('  '));
  }
  if (rows.length === 0) {
    if (tenant !== undefined && !(await isTenant(db, tenant))) {
      console.error(`${tenant}: there is no such tenant`);
      return 1;
    }
    console.log('There are no open dead letters.');
  }
  if (rows.length === LISTED_MAX) console.log(`… and perhaps more: the newest ${LISTED_MAX} are shown.`);
  return 0;
}

async function isTenant(db: Kysely<Schema>, name: string): Promise<boolean> {
  const { rows } = await sql`select from tenant where slug = ${name} or id::text = ${name}`.execute(db);
  return rows.length > 0;
}

/** Rings nobody: the sweeper of a worker finds the work within two seconds. */
async function settle(db: Kysely<Schema>, command: 'replay' | 'discard', name: string): Promise<boolean> {
  const id = DeadLetterId.safeParse(name);
  const letter = id.success
    ? await db.selectFrom('dead_letter').select('tenant_id').where('id', '=', id.data).executeTakeFirst()
    : undefined;
  if (!id.success || letter === undefined) {
    console.error(`${name}: there is no such dead letter`);
    return false;
  }
  const which = { tenantId: TenantId.parse(letter.tenant_id), id: id.data, by: 'command' };
  try {
    const result = await db
      .transaction()
      .execute((tx) => (command === 'replay' ? replayDeadLetter(revive, tx, which) : discardDeadLetter(tx, which)));
    const isDone = result === 'replayed' || result === 'discarded';
    if (isDone) console.log(`${name}: ${result}`);
    else if (result === 'settled-already') console.error(`${name}: this has been settled already`);
    else console.error(`${name}: there is no such dead letter`);
    return isDone;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(`${name}: ${FAILURES[error.code].publicText}`);
    return false;
  }
}

await runCommand(main);
