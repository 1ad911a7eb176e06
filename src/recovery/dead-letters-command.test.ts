import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';

const PROGRAM = fileURLToPath(new URL('./dead-letters-command.ts', import.meta.url));
const EX_USAGE = 64;
const EX_UNAVAILABLE = 69;

let database: TestDatabase;
let bakery: string;
let clinic: string;

beforeEach(async () => {
  database = await createTestDatabase();
  bakery = await tenant('padaria');
  clinic = await tenant('clinica');
});

afterEach(async () => {
  await database.close();
});

async function tenant(slug: string): Promise<string> {
  const id = crypto.randomUUID();
  await database.db
    .insertInto('tenant')
    .values({ id, slug, name: slug, settings: '{}', sealed_data_key: Buffer.alloc(1) })
    .execute();
  return id;
}

/** A document that could not be indexed. */
async function deadDocument(tenantId: string): Promise<{ letter: string; document: string }> {
  const [letter, document] = [crypto.randomUUID(), crypto.randomUUID()];
  await database.db
    .insertInto('knowledge_document')
    .values({ id: document, tenant_id: tenantId, title: 'Entrega', text: 'Custa R$ 8,00.', state: 'failed' })
    .execute();
  await database.db
    .insertInto('dead_letter')
    .values({
      id: letter,
      tenant_id: tenantId,
      stage: 'knowledge',
      subject_id: document,
      reason: 'indexing-failed',
      payload: '{}',
      history: '[]',
    })
    .execute();
  return { letter, document };
}

async function stateOf(letter: string): Promise<unknown> {
  const columns = ['state', 'settled_by'] as const;
  return await database.db.selectFrom('dead_letter').select(columns).where('id', '=', letter).executeTakeFirst();
}

interface Ended {
  readonly code: number | null;
  readonly said: string;
  readonly complained: string;
}

/** `npm run dead-letters --`, as an operator types it. */
async function deadLetters(words: readonly string[], environment: Record<string, string> = {}): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const env = { PATH: process.env.PATH, DATABASE_URL: database.url, ...environment };
  const program = execFile(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', PROGRAM, ...words],
    { env },
    (_error, said, complained) => {
      resolve({ code: program.exitCode, said, complained });
    },
  );
  return await promise;
}

describe('npm run dead-letters', () => {
  it('list shows what is open, newest first, and of one company when told which', async () => {
    const first = await deadDocument(bakery);
    const second = await deadDocument(clinic);

    const all = await deadLetters(['list']);
    const bySlug = await deadLetters(['list', 'padaria']);
    const byId = await deadLetters(['list', clinic]);

    expect(all).toMatchObject({ code: 0, complained: '' });
    expect(all.said.trim().split('\n')).toEqual([
      expect.stringMatching(new RegExp(`^${second.letter}  \\S+  clinica  knowledge  indexing-failed$`)),
      expect.stringMatching(new RegExp(`^${first.letter}  \\S+  padaria  knowledge  indexing-failed$`)),
    ]);
    expect([bySlug.said.includes(first.letter), bySlug.said.includes(second.letter)]).toEqual([true, false]);
    expect([byId.said.includes(first.letter), byId.said.includes(second.letter)]).toEqual([false, true]);
  });

  it('list says so when there is nothing, and when there is no such company', async () => {
    expect(await deadLetters(['list'])).toEqual({
      code: 0,
      said: 'There are no open dead letters.\n',
      complained: '',
    });
    expect(await deadLetters(['list', 'acougue'])).toEqual({
      code: 1,
      said: '',
      complained: 'acougue: there is no such tenant\n',
    });
  });

  it('replay does the work again, each letter by itself, and tells of those that it cannot', async () => {
    const { letter, document } = await deadDocument(bakery);
    const stranger = crypto.randomUUID();

    const ended = await deadLetters(['replay', stranger, letter]);

    expect(ended).toEqual({
      code: 1,
      said: `${letter}: replayed\n`,
      complained: `${stranger}: there is no such dead letter\n`,
    });
    expect(await stateOf(letter)).toEqual({ state: 'replayed', settled_by: 'command' });
    const { state } = await database.db
      .selectFrom('knowledge_document')
      .select('state')
      .where('id', '=', document)
      .executeTakeFirstOrThrow();
    expect(state).toBe('waiting');
  });

  it('replay is done once, and a work that is gone stays where it was', async () => {
    const { letter } = await deadDocument(bakery);
    const gone = await deadDocument(bakery);
    await database.db.deleteFrom('knowledge_document').where('id', '=', gone.document).execute();

    const first = await deadLetters(['replay', letter]);
    const second = await deadLetters(['replay', letter]);
    const ofNothing = await deadLetters(['replay', gone.letter]);

    expect([first.code, second.code, ofNothing.code]).toEqual([0, 1, 1]);
    expect(second.complained).toBe(`${letter}: this has been settled already\n`);
    expect(ofNothing.complained).toContain(gone.letter);
    expect(await stateOf(gone.letter)).toEqual({ state: 'open', settled_by: null });
  });

  it('discard lets the work be', async () => {
    const { letter } = await deadDocument(bakery);

    const ended = await deadLetters(['discard', letter]);

    expect(ended).toEqual({ code: 0, said: `${letter}: discarded\n`, complained: '' });
    expect(await stateOf(letter)).toEqual({ state: 'discarded', settled_by: 'command' });
    expect((await deadLetters(['list'])).said).toBe('There are no open dead letters.\n');
  });

  it.each([[[]], [['frobnicate']], [['replay']], [['discard']], [['list', 'padaria', 'clinica']]])(
    'with %j tells how it is used',
    async (words) => {
      const ended = await deadLetters(words);

      expect([ended.code, ended.said]).toEqual([EX_USAGE, '']);
      expect(ended.complained).toContain('Usage: npm run dead-letters -- list [tenant]');
    },
  );

  it('knows no letter by something that is no id', async () => {
    expect(await deadLetters(['replay', "x'; drop table tenant"])).toEqual({
      code: 1,
      said: '',
      complained: "x'; drop table tenant: there is no such dead letter\n",
    });
  });

  it('says in one line that the database cannot be reached', async () => {
    const ended = await deadLetters(['list'], { DATABASE_URL: 'postgres://nobody:secret@127.0.0.1:1/nothing' });

    expect([ended.code, ended.said]).toEqual([EX_UNAVAILABLE, '']);
    expect(ended.complained).toMatch(/^The database cannot be asked: .+\n$/);
    expect(ended.complained).not.toContain('secret');
  });
});
