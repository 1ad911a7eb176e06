import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { expectCleanHistory } from '../support/clean-history.ts';
import { deadSendersAreKnown } from '../support/dead-senders.ts';
import { itWhere } from '../support/it-where.ts';
import { waitingForConnections } from '../support/metrics.ts';
import { startPrivatePostgres } from '../support/private-postgres.ts';
import type { PrivatePostgres } from '../support/private-postgres.ts';
import { mountSmallDisk, whyNoSmallDisk } from '../support/small-disk.ts';
import type { SmallDisk } from '../support/small-disk.ts';
import { timed } from '../support/stopwatch.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

/** A gateway that waits longer than this for its answer may give up, and then does not know. */
const ANSWER_MS_MAX = 1_500;
/** A query of the API may take this long, and a connection for it a second. */
const API_ANSWER_MS_MAX = 7_000;
/** From a server that answers again to a service that does. */
const RECONNECTED_MS_MAX = 5_000;
const WRITERS = 8;
/** Accepted and not answered yet; beyond it nobody writes, except while nothing is taken. */
const WAITING_MAX = 40;

let postgres: PrivatePostgres;
let town: Town;
let bakery: TownTenant;
let disk: SmallDisk | undefined;

async function open(directory?: string): Promise<void> {
  postgres = await startPrivatePostgres(directory === undefined ? {} : { directory });
  town = await Town.start({ environment: { DATABASE_URL: postgres.url } });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
}

afterEach(async () => {
  await postgres.thaw();
  await town.close();
  await postgres.close();
  disk?.close();
  disk = undefined;
});

/** Customers who write as fast as others are answered, and send again what was not taken, as a good gateway does. */
class Rush {
  readonly accepted: string[] = [];
  readonly refusals = new Set<number>();
  slowestMs = 0;
  #isOver = false;
  #isPressing = false;
  readonly #writers: Promise<void>[];

  constructor(names: string) {
    this.#writers = Array.from({ length: WRITERS }, (_, index) => this.#write(`${names} ${index}`, index));
  }

  /** With nobody answered, those who wait for answers would never write, and never be refused: from here nobody waits. */
  async isRefused(): Promise<void> {
    this.#isPressing = true;
    await until(() => this.refusals.size > 0);
  }

  /** Ends the rush once customers are taken again, and all that was begun has been. */
  async isTakenAgain(): Promise<void> {
    this.#isPressing = false;
    const taken = this.accepted.length;
    await until(() => this.accepted.length > taken + WRITERS);
    this.#isOver = true;
    await Promise.all(this.#writers);
  }

  async #write(name: string, index: number): Promise<void> {
    for (let message = 0; !this.#isOver; message += 1) {
      const ana = bakery.customer(`${name}.${message}`, `55119888${index}${String(message).padStart(4, '0')}`);
      const providerMessageId = `3EB0${index}A${message}`;
      await this.#writeUntilTaken(ana, providerMessageId);
      this.accepted.push(providerMessageId);
      await until(() => this.#mayWrite(), 60_000);
    }
  }

  #mayWrite(): boolean {
    return this.#isOver || this.#isPressing || this.accepted.length - town.sent().length < WAITING_MAX;
  }

  async #writeUntilTaken(ana: Customer, providerMessageId: string): Promise<void> {
    for (let status = 0; status !== 200;) {
      const { answer, tookMs } = await timed(() => ana.writes('Qual é a taxa de entrega?', { providerMessageId }));
      ({ status } = answer);
      this.slowestMs = Math.max(this.slowestMs, tookMs);
      if (status !== 200) this.refusals.add(status);
    }
  }
}

async function isReady(): Promise<boolean> {
  return (await fetch(`${town.url}/readyz`)).status === 200;
}

describe('a PostgreSQL that is stopped in the middle of everything', () => {
  beforeEach(() => open());

  it('and started again: no message was said to be taken that is not there, and all are answered once', async () => {
    const rush = new Rush('Cliente');
    await until(() => rush.accepted.length >= WRITERS);
    await postgres.crash();
    await rush.isRefused();
    await until(async () => !(await isReady()));
    const isAlive = (await fetch(`${town.url}/livez`)).status === 200;
    await postgres.restart();
    const { tookMs: readyMs } = await timed(() => until(isReady));
    await rush.isTakenAgain();
    await expectCleanHistory(town, { accepted: rush.accepted });

    expect(isAlive).toBe(true);
    expect(rush.refusals).toEqual(new Set([503]));
    expect(rush.slowestMs).toBeLessThan(ANSWER_MS_MAX);
    expect(readyMs).toBeLessThan(RECONNECTED_MS_MAX);
    await until(async () => (await waitingForConnections(town.url)) === 0);
  });
});

describe('a PostgreSQL whose processes all stand still', () => {
  beforeEach(() => open());

  it('ends every request in its time, and leaves no connection waited for when it goes on', async () => {
    const rush = new Rush('Cliente');
    await until(() => rush.accepted.length >= WRITERS);
    await postgres.freeze();
    const frozenAt = performance.now();
    const asked = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const { answer, tookMs } = await timed(() => bakery.api('GET', '/conversations'));
        return { status: answer.status, tookMs };
      }),
    );
    await rush.isRefused();
    await until(() => performance.now() - frozenAt > 2 * ANSWER_MS_MAX);
    await postgres.thaw();
    await until(isReady);
    await rush.isTakenAgain();
    await deadSendersAreKnown(town.environment.DATABASE_URL);
    // A send whose claim nobody could take back is known to be dead after 11 s and settled after 10 more.
    await expectCleanHistory(town, { accepted: rush.accepted, withinMs: 30_000 });

    expect(new Set(asked.map(({ status }) => status))).toEqual(new Set([503]));
    expect(Math.max(...asked.map(({ tookMs }) => tookMs))).toBeLessThan(API_ANSWER_MS_MAX);
    expect(rush.refusals).toEqual(new Set([503]));
    expect(rush.slowestMs).toBeLessThan(ANSWER_MS_MAX);
    await until(async () => (await waitingForConnections(town.url)) === 0);
  }, 60_000);
});

describe('a PostgreSQL whose disk is full', () => {
  itWhere(whyNoSmallDisk(), 'takes nothing and loses nothing, and goes on when there is room', async () => {
    disk = mountSmallDisk(256);
    await open(disk.directory);
    const rush = new Rush('Cliente');
    await until(() => rush.accepted.length >= WRITERS);
    disk.fill();
    await rush.isRefused();
    await until(async () => !(await isReady()));
    const isAlive = (await fetch(`${town.url}/livez`)).status === 200;
    disk.free();
    // A server that could not write its log has ended itself, and whoever runs it starts it again.
    await postgres.restart();
    await rush.isTakenAgain();
    await expectCleanHistory(town, { accepted: rush.accepted });

    expect(isAlive).toBe(true);
    expect(rush.refusals).toEqual(new Set([503]));
    expect(rush.slowestMs).toBeLessThan(ANSWER_MS_MAX);
  });
});
