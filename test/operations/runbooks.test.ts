import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { sql } from 'kysely';
import pLimit from 'p-limit';
import { collectProcessMetrics } from '../../src/platform/metrics.ts';
import { projectFiles, read, readPackage, tableRows } from '../drift/project.ts';
import { alertNames, readRules } from '../support/alert-rules.ts';
import { itWhere } from '../support/it-where.ts';
import { findProgram } from '../support/on-path.ts';
import { runProgram } from '../support/run-program.ts';
import { Town } from '../support/town.ts';
import type { TownTenant } from '../support/town-people.ts';

const HEADINGS = ['Meaning', 'Impact', 'Diagnosis', 'Mitigation', 'Verification', 'Rollback', 'Escalation'];
const runbooks = projectFiles().filter((file) => /^runbooks\/[^/]+\.md$/.test(file));
/** What is no answer to an alert, or tells a way of its own. Secrets have a test beside the code that rotates them. */
const OTHERS = [
  'README',
  'incident-response',
  'postmortem-template',
  'disaster-recovery',
  'dead-letters',
  'secret-rotation',
];
/** Programs that an operator has and a bare machine lacks. */
const TOOLS = ['curl', 'psql', 'redis-cli', 'promtool', 'openssl', 'nproc', 'uptime'];
const BASH = 'set -euo pipefail\n';
const AT_ONCE = 4;

// A hundred programs are started, on a machine that may have other things to do.
jest.setTimeout(120_000);

describe('the runbooks', () => {
  it('are one for each alert, and nothing that nobody is led to', () => {
    const names = runbooks.map((file) => path.basename(file, '.md'));

    expect(names.filter((name) => !OTHERS.includes(name)).toSorted()).toEqual(alertNames());
  });

  it('have the same seven headings, and something below each', () => {
    const wrong = alertNames().filter((name) => {
      const text = read(`runbooks/${name}.md`);
      const sections = text.split(/^## /m).slice(1);
      const found = sections.map((part) => part.slice(0, part.indexOf('\n')));
      return (
        !text.startsWith(`# ${name}\n`) ||
        found.join() !== HEADINGS.join() ||
        sections.some((part) => part.slice(part.indexOf('\n')).trim() === '')
      );
    });

    expect(wrong).toEqual([]);
  });

  it('stand in the index, each alert with its severity and what it says', () => {
    const rows = tableRows(read('runbooks/README.md'))
      .filter(([cell = '']) => cell.startsWith('['))
      .map(([cell = '', ...rest]) => [/^\[([^\]]+)\]/.exec(cell)?.[1] ?? '', ...rest]);
    const told = alertNames().map((name) => {
      const rules = readRules().filter(({ alert }) => alert === name);
      const unique = (texts: readonly (string | undefined)[]): readonly string[] => [
        ...new Set(texts.map((it) => it ?? '')),
      ];
      return [
        name,
        unique(rules.map(({ labels }) => labels.severity)).join(', '),
        unique(rules.map(({ annotations }) => annotations.summary)).join(' / '),
      ];
    });
    const [alerts, documents] = [rows.slice(0, told.length), rows.slice(told.length).map(([name]) => name)];

    expect(alerts).toEqual(told);
    expect(documents).toEqual(OTHERS.filter((name) => name !== 'README').map((name) => `${name}.md`));
  });
});

describe('every command of the runbooks', () => {
  const blocks = commandBlocks();
  let town: Town;
  let backups: string;
  let environment: Record<string, string>;

  beforeAll(async () => {
    collectProcessMetrics({ version: 'of a test', commit: 'of a test' });
    backups = await mkdtemp(path.join(os.tmpdir(), 'plantao-backups-'));
    town = await Town.start();
    const bakery = await town.tenant({ articles: [{ title: 'Horários', text: 'Abrimos das 7h às 19h.' }] });
    const ana = bakery.customer('Ana', '5511988887001');
    await ana.writes('Vocês abrem domingo?');
    await ana.hears(1);
    await ana.isQuiet();
    const conversation = (await ana.conversation()).id;
    environment = {
      PATH: `${path.dirname(process.execPath)}:${process.env.PATH ?? ''}`,
      HOME: process.env.HOME ?? '',
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
      SERVICE_URL: town.url,
      WORKER_URL: town.url,
      DATABASE_URL: town.environment.DATABASE_URL ?? '',
      // As the index of the runbooks says: redis-cli wants a user.
      REDIS_URL: (town.environment.REDIS_URL ?? '').replace('//:', '//default:'),
      ADMIN_API_KEY: town.environment.ADMIN_API_KEY ?? '',
      BACKUP_DIRECTORY: backups,
      BACKUP_KEY: randomBytes(32).toString('base64'),
      GEMINI_BASE_URL: town.gemini.url,
      GEMINI_API_KEY: 'a-key-of-the-stand-in',
      GATEWAY_URL: town.gateway.url,
      TENANT: bakery.id,
      CHANNEL: bakery.channelId,
      // What an operator looks up in the gateway. Without them the command must not run.
      GATEWAY_SECRET: 'what-the-gateway-signs-with-today',
      NEW_SECRET: 'what-it-is-to-sign-with-tomorrow',
      GATEWAY_TOKEN: 'the-token-of-the-connection',
      CONVERSATION: conversation,
      DEAD_LETTER: await deadLetterOf(bakery, conversation),
      OLD_DEAD_LETTER: await deadLetterOf(bakery, conversation),
    };
  });

  afterAll(async () => {
    await town.close();
    await rm(backups, { recursive: true, force: true });
  });

  it('stands in a block of its own that begins and ends', () => {
    expect(blocks.length).toBeGreaterThan(80);
  });

  it('calls nothing of the API that is not there', () => {
    const calls = blocks.flatMap(({ file, text }) =>
      [...text.matchAll(/\$SERVICE_URL(\/api\/v1[^"?]*)/g)].map(([, address = '']) => ({ file, address })),
    );
    const known = Object.keys((JSON.parse(read('docs/openapi.json')) as { paths: object }).paths);
    const unknown = calls.filter(({ address }) => !known.includes(asTemplate(address)));

    expect(unknown).toEqual([]);
    expect(calls.length).toBeGreaterThan(10);
  });

  it('names scripts that are there', () => {
    const { scripts } = readPackage();
    const named = blocks.flatMap(({ text }) =>
      [...text.matchAll(/npm run --silent ([\w-]+)/g)].map(([, name = '']) => name),
    );

    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it('that needs a secret does nothing without it', async () => {
    const needs = blocks.flatMap(({ text }) =>
      [...text.matchAll(/\$\{(\w+):\?\}/g)].map(([, variable = '']) => ({ text, variable })),
    );
    const ran = await Promise.all(
      needs.map(async ({ text, variable }) => {
        const without = Object.fromEntries(Object.entries(environment).filter(([name]) => name !== variable));
        return { variable, ...(await runProgram('bash', ['-c', text], { environment: without })) };
      }),
    );

    expect(ran.map(({ variable }) => variable).toSorted()).toEqual(['GATEWAY_SECRET', 'GATEWAY_TOKEN', 'NEW_SECRET']);
    expect(ran.filter(({ code, said }) => code === 0 || !said.includes('parameter null or not set'))).toEqual([]);
  });

  for (const [program, some] of byProgram(blocks)) {
    const missing = TOOLS.find((tool) => program.split(' ').includes(tool) && findProgram(tool) === undefined);
    itWhere(missing === undefined ? undefined : `no ${missing} on PATH`, `runs as it stands (${program})`, async () => {
      const limit = pLimit(AT_ONCE);
      const ran = await Promise.all(
        some.map((block) =>
          limit(async () => ({ ...block, ...(await runProgram('bash', ['-c', BASH + block.text], { environment })) })),
        ),
      );
      const failed = ran.filter(({ code, said }) => code !== 0 || isRefused(said));

      expect(failed).toEqual([]);
    });
  }

  /** A delivery that gave up, as the product keeps it. */
  async function deadLetterOf(tenant: TownTenant, conversationId: string): Promise<string> {
    const bubbleId = randomUUID();
    await sql`
      insert into outbox (id, tenant_id, channel_id, conversation_id, message_id, turn_id, part, text_hash, epoch, state, deadline_at, failure)
      select ${bubbleId}, tenant_id, channel_id, conversation_id, message_id, turn_id,
             (select max(part) + 1 from outbox), text_hash, epoch, 'failed', deadline_at, 'GATEWAY_REFUSED'
        from outbox limit 1`.execute(town.database.db);
    const id = randomUUID();
    await town.database.db
      .insertInto('dead_letter')
      .values({
        id,
        tenant_id: tenant.id,
        stage: 'delivery',
        subject_id: bubbleId,
        conversation_id: conversationId,
        reason: 'GATEWAY_REFUSED',
        payload: '{}',
        history: '[]',
      })
      .execute();
    return id;
  }
});

interface Block {
  readonly file: string;
  readonly text: string;
}

/** Every block marked `sh`. The same commands in two runbooks are one. */
function commandBlocks(): readonly Block[] {
  const found = runbooks
    .filter((file) => file !== 'runbooks/secret-rotation.md')
    .flatMap((file) => [...read(file).matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, text = '']) => ({ file, text })));
  return [...new Map(found.map((block) => [block.text, block])).values()];
}

/** By the programs that they need beside bash, so that a machine that lacks one still runs the rest. */
function byProgram(blocks: readonly Block[]): ReadonlyMap<string, readonly Block[]> {
  const groups = new Map<string, Block[]>();
  for (const block of blocks) {
    const needed = TOOLS.filter((tool) => new RegExp(`(?:^|\\(|\\| )${tool} `, 'm').test(`${block.text} `));
    const name = needed.length === 0 ? 'nothing else' : needed.join(' ');
    groups.set(name, [...(groups.get(name) ?? []), block]);
  }
  return groups;
}

/** A problem of the API that says: this call is wrong. That somebody else was first is none. */
function isRefused(said: string): boolean {
  return /"status":\s*(?:400|401|403|404|405|413|415|5\d\d)\b/.test(said);
}

function asTemplate(address: string): string {
  return address
    .replace('$TENANT', '{tenantId}')
    .replace('$CHANNEL', '{channelId}')
    .replace('$CONVERSATION', '{conversationId}');
}
