import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

let town: Town;
let bakery: TownTenant;
let ana: Customer;

beforeAll(async () => {
  town = await Town.start();
  bakery = await town.tenant();
  ana = bakery.customer('Ana', '5511988880001');
  const normal = { firstResponse: 15, nextResponse: 30 };
  await bakery.api('PATCH', '/settings', { body: { sla: { enabled: true, priorities: { normal } } } });
});

afterAll(async () => {
  await town.close();
});

const clocks = async () => (await ana.findConversation())?.sla.map(({ kind, state }) => `${kind} ${state}`);

describe('Ana, who was promised an answer of a person', () => {
  it('has a clock that Bruno stops from his phone, and that her next question starts again', async () => {
    await ana.writes('Quero falar com um atendente');
    await until(async () => (await clocks())?.includes('first-response running') === true);

    await bakery.connection.agentWritesFromPhone(ana.phone, 'Oi Ana, aqui é o Bruno.');
    await until(async () => (await clocks())?.length === 0);
    await ana.writes('Vocês abrem amanhã?');
    await until(async () => (await clocks())?.includes('next-response running') === true);

    const rows = await town.database.db.selectFrom('sla_clock').select(['kind', 'state']).execute();
    expect(rows).toContainEqual({ kind: 'first-response', state: 'met' });
  });
});
