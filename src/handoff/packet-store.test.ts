import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';
import { moodOf } from '../conversation/mood.ts';
import { createLogger } from '../platform/logger.ts';
import { improvePackets, noPacketFailures, writePackets } from './keep-packets.ts';
import type { KeepPacketsNeeds } from './keep-packets.ts';
import { claimHandoffWithoutPacket, claimPacketsToImprove, findPacket, packetTextFor } from './packet-store.ts';
import type { PacketReading } from './packet-store.ts';

let database: TestDatabase;
let town: PanelTown;
let bakery: TownTenant;
let reading: PacketReading;

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
});

beforeEach(async () => {
  await database.db.deleteFrom('handoff').execute();
  bakery = await town.opens(`bakery-${randomUUID()}`);
  reading = { tenantOf: (id) => town.tenants.get(id), moodOf };
});

afterAll(async () => {
  await database.close();
});

/** A conversation with a few words in it, for which a person was called. */
async function called(words: readonly string[] = ['Meu bolo não chegou'], state = 'waiting') {
  const conversationId = await town.meets(bakery, 'Ana');
  const ids: string[] = [];
  for (const text of words) ids.push(await town.says(bakery, { conversationId, author: 'customer', text }));
  const id = randomUUID();
  await database.db
    .insertInto('handoff')
    .values({ id, tenant_id: bakery.id, conversation_id: conversationId, state, reason: 'customer-asked' })
    .execute();
  return { id, conversationId, ids };
}

function worker(reply?: string): KeepPacketsNeeds {
  const log = createLogger({ level: 'silent', process: 'test' });
  const ask = () => Promise.resolve(reply);
  return {
    ...reading,
    db: database.db,
    mayAskModel: () => Promise.resolve(true),
    ask,
    failing: noPacketFailures(),
    log,
  };
}

async function idsWithPacket(): Promise<readonly string[]> {
  const rows = await database.db.selectFrom('handoff_packet').select('handoff_id').execute();
  return rows.map((row) => row.handoff_id);
}

const LIVING = new AbortController().signal;

describe('a packet in the database', () => {
  it('is written once for each handoff, whoever and however many write', async () => {
    const { id } = await called();

    const wrote = await Promise.all([writePackets(worker()), writePackets(worker())]);
    const again = await writePackets(worker());

    expect(wrote.toSorted()).toEqual([0, 1]);
    expect(again).toBe(0);
    const rows = await database.db.selectFrom('handoff_packet').select(['handoff_id', 'written_by']).execute();
    expect(rows).toEqual([{ handoff_id: id, written_by: 'rule' }]);
  });

  it('is worked at by one worker, and the others take the next one', async () => {
    const first = await called();
    const second = await called(['E o meu pão?']);

    const taken = await database.db.transaction().execute(async (tx) => {
      const mine = await claimHandoffWithoutPacket(tx, []);
      return [mine, await writePackets(worker())];
    });

    expect(taken).toEqual([first.id, 1]);
    expect(await idsWithPacket()).toEqual([second.id]);
  });

  it('that cannot be written keeps no younger one from its own, and is tried again later', async () => {
    const broken = await called(['Oi, meu bolo']);
    const younger = await called(['E o meu pão?']);
    let asked = 0;
    const stumbling: KeepPacketsNeeds = {
      ...worker(),
      mayAskModel: (id) => {
        if (id !== broken.id) return Promise.resolve(false);
        asked += 1;
        return Promise.reject(new Error('cannot be read'));
      },
    };

    const wrote = [await writePackets(stumbling), await writePackets(stumbling)];

    expect(wrote).toEqual([1, 0]);
    expect(asked).toBe(1);
    expect(await idsWithPacket()).toEqual([younger.id]);
    expect(await writePackets(worker())).toBe(1);
  });

  it('is there for the note before anybody has kept it', async () => {
    const { id } = await called(['Meu bolo não chegou', 'que absurdo']);

    const text = await packetTextFor(database.db, reading, id);

    expect(text).toContain('Escreveu: “Meu bolo não chegou”');
    expect(text).toContain('Parece irritado');
    expect(await packetTextFor(database.db, reading, randomUUID())).toBeUndefined();
  });

  it('does not hold what the bot meant to say and never sent, nor what the customer took back', async () => {
    const { id, conversationId, ids } = await called(['Oi', 'Meu cartão é 4111']);
    await town.replies(bakery, { conversationId, state: 'dropped' });
    await database.db.updateTable('message').set({ deleted_at: new Date() }).where('id', '=', String(ids[1])).execute();

    const found = await findPacket(database.db, reading, id);

    expect(found?.facts.messages.map((message) => message.id)).toEqual([ids[0]]);
    expect(JSON.stringify(found?.packet)).not.toContain('4111');
  });

  it('of a conversation in which nothing was said is empty, and no model is asked for it', async () => {
    const { id } = await called([]);

    await writePackets(worker('wants: Tudo. [m1]'));

    expect(await improvePackets(worker('wants: Tudo. [m1]'), LIVING)).toBe(0);
    expect((await findPacket(database.db, reading, id))?.packet.writtenBy).toBe('rule');
  });
});

describe('a packet of before the customer took something back', () => {
  const takesBack = (id: string | undefined, more: object = {}) =>
    database.db
      .updateTable('message')
      .set({ deleted_at: sql<Date>`now()`, ...more })
      .where('id', '=', String(id))
      .execute();

  const shown = async (handoffId: string): Promise<string> => {
    const found = await findPacket(database.db, reading, handoffId);
    return `${JSON.stringify(found?.packet)} ${String(await packetTextFor(database.db, reading, handoffId))}`;
  };

  it('shows it no more, and the rest still', async () => {
    const { id, ids } = await called(['Meu bolo não chegou', 'Meu cartão é 4111']);
    await writePackets(worker());
    expect(await shown(id)).toContain('4111');

    await takesBack(ids[1]);

    expect(await shown(id)).not.toContain('4111');
    expect(await shown(id)).not.toContain(String(ids[1]));
    expect(await shown(id)).toContain('Meu bolo não chegou');
    const sections = (await findPacket(database.db, reading, id))?.packet.sections;
    expect(sections?.find(({ name }) => name === 'time-left')?.sentences).toHaveLength(1);
  });

  it('shows nothing of a model that had read it, though its sentence names another message', async () => {
    const { id, ids } = await called(['Meu bolo não chegou', 'Meu cartão é 4111']);
    await writePackets(worker());
    await improvePackets(worker('wants: Quer o bolo que pagou com o 4111. [m1]'), LIVING);

    await takesBack(ids[1]);

    expect(await shown(id)).not.toContain('4111');
    expect((await findPacket(database.db, reading, id))?.packet.writtenBy).toBe('rule');
  });

  it('shows nothing of a model that was still at it', async () => {
    const { id, ids } = await called(['Meu bolo não chegou', 'Meu cartão é 4111']);
    await writePackets(worker());
    const slow: KeepPacketsNeeds = {
      ...worker(),
      ask: async () => {
        await takesBack(ids[1]);
        return 'wants: Quer o bolo que pagou com o 4111. [m1]';
      },
    };

    await improvePackets(slow, LIVING);

    expect(await shown(id)).not.toContain('4111');
  });

  it('is the packet that was written where it was taken back long before', async () => {
    const { id, ids } = await called(['Oi', 'Meu bolo não chegou']);
    await takesBack(ids[0], { deleted_at: new Date(Date.now() - 600_000) });
    await writePackets(worker());

    await improvePackets(worker('wants: Quer o bolo. [m1]'), LIVING);

    expect((await findPacket(database.db, reading, id))?.packet.writtenBy).toBe('model');
  });
});

describe('a packet that a model may write better', () => {
  it('is tried by one worker at a time', async () => {
    await called();
    await writePackets(worker());

    const claims = await Promise.all([claimPacketsToImprove(database.db, 5), claimPacketsToImprove(database.db, 5)]);

    expect(claims.flat()).toHaveLength(1);
  });

  it('takes the place of the one by rule, with the messages that it names', async () => {
    const { id, ids } = await called();
    await writePackets(worker());

    await improvePackets(worker('wants: Quer o bolo. [m1]'), LIVING);

    const packet = (await findPacket(database.db, reading, id))?.packet;
    expect(packet?.writtenBy).toBe('model');
    expect(packet?.sections[0]?.sentences).toEqual([{ text: 'Quer o bolo.', messageIds: ids }]);
  });

  it.each([
    ['rests on a message of nobody', 'wants: Quer o bolo. [m2]'],
    ['never comes', undefined],
  ])('stays as it is when the answer %s, and a model is not asked for ever', async (_case, reply) => {
    const { id } = await called();
    await writePackets(worker());

    const tries: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      tries.push(await improvePackets(worker(reply), LIVING));
      await database.db
        .updateTable('handoff_packet')
        .set({ improve_at: new Date(0) })
        .where('improve_at', 'is not', null)
        .execute();
    }

    expect(tries).toEqual([1, 1, 0, 0]);
    expect((await findPacket(database.db, reading, id))?.packet.writtenBy).toBe('rule');
  });

  it('is left alone once the person has come, and when the process ends', async () => {
    await called(['Oi, meu bolo'], 'taken');
    await writePackets(worker());

    expect(await improvePackets(worker('wants: Quer o bolo. [m1]'), AbortSignal.abort())).toBe(0);
    expect(await improvePackets(worker('wants: Quer o bolo. [m1]'), LIVING)).toBe(0);
  });
});
