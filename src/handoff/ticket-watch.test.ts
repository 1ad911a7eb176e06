import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { changeOwner } from '../conversation/ownership-store.ts';
import { createLogger } from '../platform/logger.ts';
import { ChannelStore } from '../tenants/channel-store.ts';
import { Failure } from '../vocabulary/failures.ts';
import type { GatewayTickets } from '../vocabulary/gateway.ts';
import { createTestDatabase } from '../../test/support/database.ts';
import type { TestDatabase } from '../../test/support/database.ts';
import { PanelTown } from '../../test/support/panel-town.ts';
import type { TownTenant } from '../../test/support/panel-town.ts';
import { until } from '../../test/support/until.ts';
import { TicketWatch } from './ticket-watch.ts';

let database: TestDatabase;
let town: PanelTown;
let tenants: TownTenant[];
let reads: string[];
let answers: (ticketId: string) => Promise<'not-there'>;
let watch: TicketWatch;

beforeAll(async () => {
  database = await createTestDatabase();
  town = new PanelTown(database.db);
  tenants = [await town.opens('bakery'), await town.opens('clinic')];
});

afterAll(async () => {
  await database.close();
});

/** Three customers of each tenant are with people; their tickets are named after the tenant. */
beforeEach(async () => {
  const { db } = database;
  await sql`delete from conversation`.execute(db);
  for (const [index, tenant] of tenants.entries()) {
    for (const name of ['Ana', 'Bia', 'Caio']) {
      const conversationId = await town.meets(tenant, name);
      await db.transaction().execute((tx) => changeOwner(tx, { conversationId, to: 'human', reason: 'taken-over' }));
      await sql`update conversation set gateway_ticket_id = ${String(index)} where id = ${conversationId}`.execute(db);
    }
  }
  reads = [];
  answers = () => Promise.resolve('not-there');
  watch = watching();
});

function watching(): TicketWatch {
  const channels = new ChannelStore(database.db, (id) => town.tenants.keysOf(id));
  const tickets: Pick<GatewayTickets, 'refusal' | 'readTicket'> = {
    refusal: () => undefined,
    readTicket: async (_connection, ticketId) => {
      reads.push(ticketId);
      return await answers(ticketId);
    },
  };
  return new TicketWatch({
    db: database.db,
    tickets: tickets as GatewayTickets,
    channelOf: (id) => channels.find(id),
    recipientOf: () => Promise.reject(new Error('Every ticket has its number')),
    observe: () => Promise.resolve(),
    log: createLogger({ level: 'silent', process: 'test' }),
  });
}

const readsOf = (ticketId: string): number => reads.filter((id) => id === ticketId).length;

describe('looking at tickets', () => {
  it('of one channel waits for no other: the next round does not, either', async () => {
    const hanging = Promise.withResolvers<'not-there'>();
    answers = (ticketId) => (ticketId === '0' ? hanging.promise : Promise.resolve('not-there'));

    await watch.round();
    await until(() => readsOf('1') === 3 && readsOf('0') === 1);
    await sql`update ticket_state set looked_at = null`.execute(database.db);
    await watch.round();
    await until(() => readsOf('1') === 6);

    expect(readsOf('0')).toBe(1);
    hanging.resolve('not-there');
    await watch.close();
  });

  it('ends for a channel at the first call that is not answered', async () => {
    answers = () => Promise.reject(new Failure('GATEWAY_OUTCOME_UNKNOWN', { error: 'ETIMEDOUT' }));

    await watch.look();

    expect([readsOf('0'), readsOf('1')]).toEqual([1, 1]);
  });

  it('goes on after a ticket that could not be read', async () => {
    answers = () => Promise.reject(new Failure('GATEWAY_OUTCOME_UNKNOWN', { reason: 'no ticket in the answer' }));

    await watch.look();

    expect([readsOf('0'), readsOf('1')]).toEqual([3, 3]);
  });

  it('is not done at a hosted fork where nothing can come back to the bot', async () => {
    const { db } = database;
    await sql`update channel set gateway_profile = 'hosted'`.execute(db);
    await sql`update channel set bot_queue_id = 1 where id = ${tenants[1]?.channelId}`.execute(db);

    await watching().look();
    await sql`update channel set gateway_profile = 'community', bot_queue_id = null`.execute(db);

    expect([readsOf('0'), readsOf('1')]).toEqual([0, 3]);
  });
});
