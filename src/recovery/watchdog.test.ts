import { beforeEach, describe, expect, it } from '@jest/globals';
import { createLogger } from '../platform/logger.ts';
import { registry } from '../platform/metrics.ts';
import { ConversationId, newId } from '../vocabulary/ids.ts';
import { LEASE_MS } from '../conversation/conversation-store.ts';
import { STRANDED_AFTER_MS } from './promise.ts';
import type { Violation } from './promise.ts';
import { LOOK_EVERY_MS, OFFLINE_AFTER_MS, PERSON_AFTER_MS, Watchdog } from './watchdog.ts';

/** Everything that a watchdog may see and do, in one place, and the time. */
class Ward {
  violations: readonly Violation[] = [];
  isDatabaseDown = false;
  nowMs = 0;
  readonly done: string[] = [];
  /** Repairs do not end while this is open. */
  slow: PromiseWithResolvers<void> | undefined;

  watchdog(): Watchdog {
    const doing = async (what: string): Promise<void> => {
      this.done.push(what);
      await this.slow?.promise;
    };
    return new Watchdog({
      findViolations: () =>
        this.isDatabaseDown ? Promise.reject(new Error('away')) : Promise.resolve(this.violations),
      takeTurn: (_id, manner) => doing(`turn: ${manner}`),
      deliver: () => doing('deliver'),
      callPerson: () => doing('call a person'),
      monotonicMs: () => this.nowMs,
      log: createLogger({ level: 'silent', process: 'test' }),
    });
  }
}

let ward: Ward;
let watchdog: Watchdog;

beforeEach(() => {
  ward = new Ward();
  watchdog = ward.watchdog();
});

function stranded(strandedMs: number | undefined, more: Partial<Violation> = {}): Violation {
  const waitedMs = strandedMs ?? 100_000;
  return { conversationId: newId(ConversationId), stuck: 'turn', waitedMs, strandedMs, isPersons: false, ...more };
}

/** The watchdog has been looking for this long and has seen nothing wrong. */
async function watchedFor(ms: number): Promise<void> {
  for (const until = ward.nowMs + ms; ward.nowMs < until; ward.nowMs += LOOK_EVERY_MS) await watchdog.look();
}

async function findsNow(...violations: readonly Violation[]): Promise<readonly string[]> {
  ward.violations = violations;
  ward.done.length = 0;
  await watchdog.look();
  await watchdog.close();
  return [...ward.done];
}

async function metric(name: string): Promise<number> {
  const values = (await registry.getSingleMetric(name)?.get())?.values ?? [];
  return values.reduce((sum, { value }) => sum + value, 0);
}

describe('the watchdog', () => {
  it.each<[string, Violation, readonly string[]]>([
    ['wakes who was found', stranded(31_000), ['turn: model']],
    ['answers without a model when that has not helped for a minute', stranded(61_000), ['turn: offline']],
    ['calls a person when nothing has helped', stranded(91_000), ['turn: person']],
    ['leaves alone what somebody holds', stranded(undefined), []],
    ['sends what nobody sends', stranded(61_000, { stuck: 'delivery' }), ['deliver']],
    ['calls a person when an answer does not get out', stranded(91_000, { stuck: 'delivery' }), ['call a person']],
    ['calls nobody who is there', stranded(91_000, { stuck: 'delivery', isPersons: true }), ['deliver']],
  ])('%s', async (_does, violation, repairs) => {
    await watchedFor(120_000);

    expect(await findsNow(violation)).toEqual(repairs);
  });

  it('finds a stranded customer within a minute of the death of what held it, and has a person within two', () => {
    const turnMs = 10_000;

    expect(LEASE_MS + STRANDED_AFTER_MS + LOOK_EVERY_MS).toBeLessThanOrEqual(60_000);
    expect(OFFLINE_AFTER_MS).toBeGreaterThan(STRANDED_AFTER_MS);
    expect(LEASE_MS + PERSON_AFTER_MS + LOOK_EVERY_MS + turnMs).toBeLessThanOrEqual(120_000);
  });

  it('only wakes right after its start, however old what it finds is: the ordinary way comes first', async () => {
    expect(await findsNow(stranded(3_600_000))).toEqual(['turn: model']);
    await watchedFor(PERSON_AFTER_MS);
    expect(await findsNow(stranded(3_600_000))).toEqual(['turn: person']);
  });

  it.each([
    ['a database that was away', true],
    ['having been frozen itself', false],
  ])('begins anew after %s, because everybody else was stopped too', async (_what, isAway) => {
    await watchedFor(120_000);
    ward.isDatabaseDown = isAway;
    for (let looks = 0; isAway && looks < 6; looks += 1, ward.nowMs += LOOK_EVERY_MS) await watchdog.look();
    if (!isAway) ward.nowMs += 30_000;
    ward.isDatabaseDown = false;

    expect(await findsNow(stranded(200_000))).toEqual(['turn: model']);
  });

  it('begins no repair a second time before the first has ended', async () => {
    const violation = stranded(31_000);
    ward.violations = [violation];
    ward.slow = Promise.withResolvers();
    await watchdog.look();
    await watchdog.look();
    const begun = [...ward.done];
    ward.slow.resolve();
    await watchdog.close();

    expect(begun).toEqual(['turn: model']);
  });

  it('shows how long the longest has waited, and zero when all is well; it tells of each step once', async () => {
    const before = await metric('plantao_promise_violations_total');
    const violation = stranded(31_000);
    await findsNow(violation, stranded(45_000));
    await findsNow(violation);
    await findsNow(violation);
    const told = (await metric('plantao_promise_violations_total')) - before;
    const oldest = await metric('plantao_promise_oldest_violation_seconds');
    await findsNow();

    expect(told).toBe(2);
    expect(oldest).toBe(31);
    expect(await metric('plantao_promise_oldest_violation_seconds')).toBe(0);
  });
});
