import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { describeSchema } from '../../migrations/describe-schema.ts';
import { read } from '../drift/project.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';

const ROOT = new URL('../../', import.meta.url);
const BROKEN_RELEASE = new URL('test/support/broken-release.ts', ROOT).href;

let town: Town;
let bakery: TownTenant;

beforeEach(async () => {
  town = await Town.start();
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
});

afterEach(async () => {
  await town.close();
});

/** `npm run migrate -- up`, as this release or as one whose migrations cannot work. */
async function migrate(release: 'this' | 'broken'): Promise<{ code: number | null; said: string }> {
  const preload = release === 'broken' ? ['--import', BROKEN_RELEASE] : [];
  const command = fileURLToPath(new URL('migrations/command.ts', ROOT));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...preload, command, 'up'], {
    env: { PATH: process.env.PATH, DATABASE_URL: town.database.url },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, said };
}

async function asksAndHears(phone: string): Promise<void> {
  const customer = bakery.customer('Ana', phone);
  expect((await customer.writes('Qual é a taxa de entrega?')).status).toBe(200);
  await customer.hears(1);
}

describe('a release whose migration fails', () => {
  it('ends there, leaves the schema as it was, and the release before goes on answering and may be started again', async () => {
    const before = await describeSchema(town.database.db);
    await asksAndHears('5511988880001');

    const { code, said } = await migrate('broken');
    const after = await describeSchema(town.database.db);
    await asksAndHears('5511988880002');
    const restarted = await town.startWorkerProcess();
    const ready = await fetch(`${restarted.url}/readyz`);
    await expectCleanHistory(town);
    const again = await migrate('this');

    expect(code).toBeGreaterThan(0);
    expect(said).toContain('never_there');
    // The first of its migrations worked, and is taken back with the one that did not.
    expect(after).toBe(before);
    expect(ready.status).toBe(200);
    expect(again).toEqual({ code: 0, said: 'Nothing to do\n' });
  });
});

describe('the role for reports of docs/deploy.md', () => {
  it('reads what it is given of every tenant, and changes nothing', async () => {
    const [, statements = ''] = /```sql\n([^`]+)```/.exec(read('docs/deploy.md')) ?? [];
    await asksAndHears('5511988880001');
    const tried = async (statement: string): Promise<number | undefined> => {
      const rollback = new Error('All of it is taken back');
      let rows: number | undefined;
      await town.database.db
        .transaction()
        .execute(async (tx) => {
          for (const each of statements.split(';').filter((it) => it.trim() !== '')) await sql.raw(each).execute(tx);
          await sql`set local role plantao_reports`.execute(tx);
          rows = (await sql.raw(statement).execute(tx)).rows.length;
          throw rollback;
        })
        .catch((error: unknown) => {
          if (error !== rollback) throw error;
        });
      return rows;
    };

    expect(await tried('select * from message')).toBeGreaterThan(1);
    await expect(tried('delete from message')).rejects.toThrow('permission denied');
    await expect(tried('select * from channel')).rejects.toThrow('permission denied');
  });
});
