import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { z } from 'zod';
import { Town } from '../../test/support/town.ts';
import type { Customer, TownTenant } from '../../test/support/town-people.ts';
import { ConversationId } from '../vocabulary/ids.ts';
import { ConversationStore } from './conversation-store.ts';
import type { Turn } from './conversation.ts';

let town: Town;
let bakery: TownTenant;
let ana: Customer;

beforeAll(async () => {
  town = await Town.start({ worker: false });
  bakery = await town.tenant();
  ana = bakery.customer('Ana', '5511988880001');
});

afterAll(() => town.close());

async function turnOfAna(): Promise<Turn> {
  await ana.writes('Qual é a taxa de entrega?');
  const { id } = await ana.conversation();
  const options = { holder: randomUUID(), coalesceMaxMs: 0, purpose: 'answer' } as const;
  const turn = await new ConversationStore(town.database.db).openTurn(ConversationId.parse(id), options);
  if ('none' in turn) throw new Error(`There is no turn: ${turn.none}`);
  return turn;
}

/** The same contact on another channel of the bakery. */
async function conversationElsewhere({ tenantId, contactId }: Turn): Promise<string> {
  const { body } = await bakery.api('POST', '/channels', {
    body: {
      name: 'Delivery',
      kind: 'whaticket',
      gateway: { profile: 'launcherbr', baseUrl: town.gateway.url, token: 'um-outro-token' },
      webhook: { auth: 'hmac', secrets: ['um-segredo-que-ninguem-adivinha'] },
    },
  });
  const { id: channelId } = z.object({ id: z.string() }).parse(body);
  const id = randomUUID();
  await town.database.db
    .insertInto('conversation')
    .values({ id, tenant_id: tenantId, channel_id: channelId, contact_id: contactId })
    .execute();
  return id;
}

interface PastTurn {
  readonly conversationId: string;
  readonly outcome: string;
  readonly costUsd: number | undefined;
  readonly hoursAgo: number;
}

async function took(turn: Turn, past: PastTurn): Promise<void> {
  const at = new Date(turn.now.getTime() - past.hoursAgo * 3_600_000);
  await town.database.db
    .insertInto('turn')
    .values({
      id: randomUUID(),
      tenant_id: turn.tenantId,
      conversation_id: past.conversationId,
      outcome: past.outcome,
      owner_epoch: 0,
      fence: '1',
      trace: JSON.stringify({ costUsd: past.costUsd }),
      started_at: at,
      finished_at: at,
    })
    .execute();
}

it('counts replies and money of a contact over all channels of the tenant, for a day', async () => {
  const turn = await turnOfAna();
  const here = turn.conversationId;
  const elsewhere = await conversationElsewhere(turn);
  await took(turn, { conversationId: here, outcome: 'replied', costUsd: 0.25, hoursAgo: 0 });
  await took(turn, { conversationId: here, outcome: 'asked-back', costUsd: 0.000_001, hoursAgo: 2 });
  await took(turn, { conversationId: elsewhere, outcome: 'replied', costUsd: 0.5, hoursAgo: 0 });
  await took(turn, { conversationId: elsewhere, outcome: 'handed-off', costUsd: 0.125, hoursAgo: 1 });
  await took(turn, { conversationId: elsewhere, outcome: 'recorded', costUsd: undefined, hoursAgo: 1 });
  await took(turn, { conversationId: elsewhere, outcome: 'replied', costUsd: 9, hoursAgo: 25 });

  const again = await new ConversationStore(town.database.db).reopenTurn(turn);

  expect(again?.counts).toEqual({
    answeredLastMinute: 2,
    answeredLastDay: 3,
    turnsLastTenMinutes: 1,
    spentLastDay: 875_001,
  });
});
