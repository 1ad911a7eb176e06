import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { masterKeys } from '../platform/crypto.ts';
import { createLogger } from '../platform/logger.ts';
import { Secret } from '../platform/secret.ts';
import { inspectSealing, rewrapDataKeys } from './master-key.ts';
import { TenantStore } from './tenant-store.ts';

const newKey = (): Secret => Secret.of(randomBytes(32).toString('base64'));
/** More than one page of the rotation. */
const TENANTS = 130;

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(async () => {
  await database.close();
});

describe('the rotation of the master key', () => {
  it('seals every data key anew, goes on where it was interrupted, and names what it cannot open', async () => {
    const { db } = database;
    const [lost, before, after] = [newKey(), newKey(), newKey()];
    const old = new TenantStore(db, { current: before, previous: undefined });
    const made = [];
    for (let index = 0; index < TENANTS; index += 1) {
      const { id } = await old.create({ slug: `t-${index}`, name: 'Loja' });
      made.push({ id, keys: await old.keysOf(id) });
    }
    const stranger = await new TenantStore(db, { current: lost, previous: undefined }).create({ slug: 'x', name: 'X' });
    const keys = masterKeys(after, before);
    const interrupted = rewrapDataKeys(db, keys, () => {
      throw new Error('The power fails');
    });

    await expect(interrupted).rejects.toThrow('The power fails');
    expect(await inspectSealing(db, keys)).toEqual({ current: 100, pending: TENANTS - 100, unreadable: [stranger.id] });
    const counts = await Promise.all([rewrapDataKeys(db, keys), rewrapDataKeys(db, keys)]);

    expect(counts[0] + counts[1]).toBe(TENANTS - 100);
    expect(await inspectSealing(db, keys.slice(0, 1))).toEqual({
      current: TENANTS,
      pending: 0,
      unreadable: [stranger.id],
    });
    const fresh = new TenantStore(db, { current: after, previous: undefined });
    for (const { id, keys: known } of made) expect((await fresh.keysOf(id)).sealing).toEqual(known.sealing);
  });
});

describe('a master key', () => {
  it('that opens nothing stops whoever starts with it; one tenant that it does not open stops nobody', async () => {
    const own = await createTestDatabase();
    const { db } = own;
    const [right, wrong] = [newKey(), newKey()];
    const lines: string[] = [];
    const log = createLogger({ level: 'error', process: 'test' }, { write: (line) => lines.push(line) });
    const store = (current: Secret): TenantStore => new TenantStore(db, { current, previous: undefined });
    await store(wrong).assertMasterKey(log);
    await store(right).create({ slug: 'padaria', name: 'Padaria' });

    await expect(store(wrong).assertMasterKey(log)).rejects.toThrow('MASTER_KEY is not the key of this database');
    const stranger = await store(wrong).create({ slug: 'clinica', name: 'Clínica' });
    expect(lines).toEqual([]);
    await store(right).assertMasterKey(log);

    expect(lines).toEqual([expect.stringContaining(stranger.id)]);
    await own.close();
  });
});
