import { afterEach, describe, expect, it } from '@jest/globals';
import { until } from '../../test/support/until.ts';
import { createLogger } from './logger.ts';
import { Rounds } from './rounds.ts';

const log = createLogger({ level: 'silent', process: 'test' });
let rounds: Rounds | undefined;

afterEach(async () => {
  await rounds?.close();
});

function starts(run: () => Promise<number>, everyMs: number): Rounds {
  rounds = new Rounds({ name: 'test', everyMs, run, log });
  rounds.start();
  return rounds;
}

describe('rounds', () => {
  it('follow at once while there is something, and then rest', async () => {
    const found = [3, 2, 0, 0];
    let run = 0;
    starts(() => Promise.resolve(found[run++] ?? 0), 600_000);

    await until(() => run === 3);
    expect(run).toBe(3);
  });

  it('go on after one that failed', async () => {
    let run = 0;
    starts(() => {
      run += 1;
      return run === 1 ? Promise.reject(new Error('The database is away')) : Promise.resolve(0);
    }, 1);

    await until(() => run > 2);
  });

  it('never run twice at once, and end with the one that is under way', async () => {
    const round = Promise.withResolvers<number>();
    let run = 0;
    const slow = starts(() => {
      run += 1;
      return round.promise;
    }, 1);
    await until(() => run === 1);

    let isClosed = false;
    const closing = slow.close().then(() => {
      isClosed = true;
    });
    expect(isClosed).toBe(false);
    round.resolve(1);
    await closing;

    expect(run).toBe(1);
  });
});
