import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { Town } from '../support/town.ts';
import type { TenantOptions } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';
import type { WorkerProcess } from '../support/worker-process.ts';

const ANSWER = 'O pão sai às 7h.';
/** From the claim of a send to the policy of its channel, when its sender is killed. */
const POLICY_WITHIN_SECONDS = 15;

let town: Town;
let bakery: TownTenant;
let ana: Customer;
let sender: WorkerProcess;

beforeEach(async () => {
  town = await Town.start({ worker: false });
  town.gemini.answers(ANSWER);
  sender = await town.startWorkerProcess();
});

afterEach(async () => {
  // A process that stands still is not told of its end.
  sender.thaw();
  await town.close();
});

/** Ana's answer has been handed to a gateway that thinks about it; the gateway will take it, whoever dies meanwhile. */
async function theAnswerIsOnItsWay(options: TenantOptions): Promise<void> {
  bakery = await town.tenant(options);
  ana = bakery.customer('Ana', '5511988880001');
  town.gateway.faults.set({ mode: 'slow', delayMs: 700, times: 1 });
  await ana.writes('Quando sai o pão?');
  await until(() => town.gateway.faults.mode === 'none');
}

/** Moves the clock of what is being sent past the time that a claim holds. */
async function theClaimRunsOut(): Promise<void> {
  await sql`update outbox set sending_since = sending_since - interval '12 seconds', due_at = now() where state = 'sending'`.execute(
    town.database.db,
  );
}

async function outbox() {
  const columns = ['state', 'attempts', 'settled_by', 'failure'] as const;
  return await town.database.db.selectFrom('outbox').select(columns).orderBy('seq').execute();
}

describe('a worker that is killed while the gateway takes a message', () => {
  it('leaves it to the echo: nobody is called, nothing is said twice', async () => {
    await theAnswerIsOnItsWay({ echoes: true, onUnknown: 'resend' });
    await sender.kill();
    await town.startWorkerProcess();
    await ana.isQuiet();

    expect(ana.received()).toEqual([ANSWER]);
    expect(await outbox()).toMatchObject([{ state: 'sent', attempts: 1, settled_by: 'echo' }]);
    expect(await bakery.deadLetters()).toEqual([]);
    expect(await ana.conversation()).toMatchObject({ owner: 'bot', epoch: 0 });
  });

  it('leaves it to a person where there is no echo, within fifteen seconds of its claim', async () => {
    await theAnswerIsOnItsWay({ onUnknown: 'hand-over' });
    await sender.kill();
    await town.startWorkerProcess();
    await until(async () => (await bakery.deadLetters()).length === 1, 25_000);
    const { rows } = await sql<{ seconds: number }>`
      select extract(epoch from d.created_at - o.sending_since)::float8 as seconds
        from outbox o join dead_letter d on d.subject_id = o.id`.execute(town.database.db);

    expect(rows[0]?.seconds).toBeLessThan(POLICY_WITHIN_SECONDS);
    expect(ana.received()).toEqual([ANSWER]);
    expect(await ana.conversation()).toMatchObject({ owner: 'human', ownerReason: 'send-unconfirmed' });
    expect(await ana.settled()).toEqual(['human']);
    const [letter] = await bakery.deadLetters();
    expect(letter?.history).toMatchObject([
      { what: 'unknown', why: 'sender-died' },
      { what: 'failed', why: 'GATEWAY_OUTCOME_UNKNOWN' },
    ]);
  });

  it('leaves it to a second copy where the channel prefers that, and there is only one', async () => {
    await theAnswerIsOnItsWay({ onUnknown: 'resend' });
    await sender.kill();
    await ana.hears(1);
    await theClaimRunsOut();
    await town.startWorkerProcess();
    await ana.hears(2);
    await ana.isQuiet();

    expect(ana.received()).toEqual([ANSWER, ANSWER]);
    expect(await outbox()).toMatchObject([{ state: 'sent', attempts: 2, settled_by: 'answer' }]);
  });

  it('leaves it to a look into the ticket where that can be read', async () => {
    await theAnswerIsOnItsWay({ onUnknown: 'resend', login: true });
    await sender.kill();
    await ana.hears(1);
    await theClaimRunsOut();
    await town.startWorkerProcess();
    await ana.isQuiet();

    expect(ana.received()).toEqual([ANSWER]);
    expect(await outbox()).toMatchObject([{ state: 'sent', attempts: 1, settled_by: 'read-back' }]);
  });
});

describe('a worker that is killed while it looks for a send at the gateway', () => {
  it('is not the last one to look: what was said is found, and not said again', async () => {
    await theAnswerIsOnItsWay({ onUnknown: 'resend', login: true });
    await sender.kill();
    await ana.hears(1);
    await theClaimRunsOut();
    town.gateway.lookFaults.set({ mode: 'slow', delayMs: 60_000, times: 1 });
    const looker = await town.startWorkerProcess();
    await until(() => town.gateway.lookFaults.mode === 'none', 30_000);
    await looker.kill();
    await town.startWorkerProcess();
    await ana.isQuiet();

    expect(ana.received()).toEqual([ANSWER]);
    expect(await outbox()).toMatchObject([{ state: 'sent', attempts: 1, settled_by: 'read-back' }]);
  }, 60_000);
});

describe('a worker that stands still while the gateway takes a message', () => {
  it('and wakes up while the second copy is sent: its late answer is about the first, and changes nothing', async () => {
    await theAnswerIsOnItsWay({ onUnknown: 'resend' });
    sender.freeze();
    await ana.hears(1);
    await theClaimRunsOut();
    town.gateway.faults.set({ mode: 'slow', delayMs: 4_000, times: 1 });
    await town.startWorkerProcess();
    await until(async () => (await outbox()).some((row) => row.attempts === 2 && row.state === 'sending'));

    sender.thaw();
    await until(() => sender.said.includes('delivery.attempted'));
    const afterTheLateAnswer = await outbox();
    await ana.hears(2);
    await ana.isQuiet();

    expect(afterTheLateAnswer).toMatchObject([{ state: 'sending', attempts: 2, settled_by: null }]);
    expect(ana.received()).toEqual([ANSWER, ANSWER]);
  });
});
