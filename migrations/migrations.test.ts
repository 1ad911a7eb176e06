import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { migrateDown, migrateUp, migrationStatus } from '../src/platform/migrator.ts';
import { createTestDatabase } from '../test/support/database.ts';
import type { TestDatabase } from '../test/support/database.ts';
import { describeSchema } from './describe-schema.ts';
import { MIGRATIONS } from './migrations.ts';
import { brokenRules } from './rules.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(async () => {
  await database.close();
});

describe('the migrations', () => {
  it('leave the same schema after up, down, up', async () => {
    const { db } = database;
    const before = await describeSchema(db);

    while ((await migrateDown(db, MIGRATIONS)).length > 0);
    const emptied = await describeSchema(db);
    await migrateUp(db, MIGRATIONS);

    expect(before).toContain('column message.text');
    expect(emptied).not.toContain('column message.text');
    expect(await describeSchema(db)).toBe(before);
  });

  it('say which of them have run', async () => {
    const status = await migrationStatus(database.db, MIGRATIONS);

    expect(status.every((migration) => migration.executedAt !== undefined)).toBe(true);
  });

  it('keep every rule of their README', async () => {
    expect(await brokenRules(database.db)).toEqual([]);
  });
});

describe('the rules', () => {
  it.each([
    ['a table without a tenant', 'create table stray (id uuid primary key)', 'stray has no tenant_id'],
    [
      'a table without row-level security',
      'create table stray (tenant_id uuid not null)',
      'stray has no row-level security',
    ],
    [
      'bytes without a data class',
      'create table stray (tenant_id uuid not null, photo bytea)',
      'stray.photo does not say its data class',
    ],
    [
      'a foreign key that lets tenants meet',
      'create table stray (tenant_id uuid not null, contact_id uuid references contact (id))',
      'stray: foreign key stray_contact_id_fkey does not carry tenant_id',
    ],
    [
      'a foreign key without an index',
      `create table stray (tenant_id uuid not null, contact_id uuid,
         foreign key (tenant_id, contact_id) references contact (tenant_id, id))`,
      'stray: foreign key stray_tenant_id_contact_id_fkey has no index',
    ],
  ])('notice %s', async (_what, statement, expected) => {
    await sql.raw(statement).execute(database.db);

    const broken = await brokenRules(database.db);
    await sql.raw('drop table stray').execute(database.db);

    expect(broken).toContain(expected);
  });
});
