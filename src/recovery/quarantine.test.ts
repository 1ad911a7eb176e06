import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { until } from '../../test/support/until.ts';
import { metricsOfAll } from '../platform/forked-metrics.ts';
import { createLogger } from '../platform/logger.ts';
import { registry } from '../platform/metrics.ts';
import { ConversationId, newId } from '../vocabulary/ids.ts';
import { Quarantine } from './quarantine.ts';

const CHILD = fileURLToPath(new URL('../../test/support/poison-child.ts', import.meta.url));

type Behaviour = 'answers' | 'answers-eight' | 'wants-alone' | 'dies' | 'counts-and-dies' | 'hangs' | 'does-not-start';

/** A worker that has a quarantine whose processes behave like this. */
class Keeper {
  readonly processes: ChildProcess[] = [];
  readonly delivered: ConversationId[] = [];
  readonly takenHere: ConversationId[] = [];
  readonly quarantine: Quarantine;
  isFirst = true;
  here = 0;
  hereMax = 0;
  behaviour: Behaviour;

  constructor(behaviour: Behaviour, turnMsMax = 60_000) {
    this.behaviour = behaviour;
    this.quarantine = new Quarantine({
      fork: () => {
        const child = fork(CHILD, [this.behaviour], { execArgv: ['--disable-warning=ExperimentalWarning'] });
        this.processes.push(child);
        return child;
      },
      takeHere: async (id) => {
        this.here += 1;
        this.hereMax = Math.max(this.hereMax, this.here);
        await Promise.resolve();
        this.takenHere.push(id);
        this.here -= 1;
        return 'replied';
      },
      isFirst: () => Promise.resolve(this.isFirst),
      ringDelivery: (id) => this.delivered.push(id),
      turnMsMax,
      log: createLogger({ level: 'silent', process: 'test' }),
    });
  }

  get alive(): number {
    return this.processes.filter((it) => it.exitCode === null && it.signalCode === null).length;
  }
}

let keeper: Keeper;

afterEach(async () => {
  await keeper.quarantine.close();
});

const ids = (count: number): readonly ConversationId[] => Array.from({ length: count }, () => newId(ConversationId));

async function takeAll(suspects: readonly ConversationId[]): Promise<void> {
  await Promise.all(suspects.map((id) => keeper.quarantine.take(id, 'model')));
}

async function suspectsThat(outcome: string): Promise<number> {
  const values = (await registry.getSingleMetric('plantao_suspects_total')?.get())?.values ?? [];
  return values.find(({ labels }) => labels.outcome === outcome)?.value ?? 0;
}

describe('the quarantine', () => {
  it('starts a process for the first suspect, keeps it for those that follow, and delivers what they were answered', async () => {
    keeper = new Keeper('answers');
    const suspects = ids(3);

    await takeAll(suspects.slice(0, 2));
    await takeAll(suspects.slice(2));

    expect(keeper.delivered).toEqual(suspects);
    expect(keeper.processes).toHaveLength(1);
  });

  it('has a process before there is a suspect, once somebody has fallen silent', async () => {
    keeper = new Keeper('answers');
    const suspects = ids(1);

    await Promise.all([keeper.quarantine.warm(), keeper.quarantine.warm()]);
    expect(keeper.processes).toHaveLength(1);
    await takeAll(suspects);

    expect(keeper.delivered).toEqual(suspects);
    expect(keeper.processes).toHaveLength(1);
  });

  it('starts no second process for a crowd', async () => {
    keeper = new Keeper('answers');

    await takeAll(ids(50));

    expect(keeper.delivered).toHaveLength(50);
    expect(keeper.processes).toHaveLength(1);
  });

  it('leaves suspects to the worker that is first, but not for long, and not who has waited too long', async () => {
    keeper = new Keeper('answers');
    keeper.isFirst = false;
    const [left, late] = ids(2);
    if (left === undefined || late === undefined) throw new Error('There are two');

    await keeper.quarantine.warm();
    await keeper.quarantine.take(left, 'model');
    expect(keeper.processes).toHaveLength(0);
    await keeper.quarantine.take(late, 'offline');
    expect(keeper.delivered).toEqual([late]);
    // It has a process now.
    await keeper.quarantine.take(left, 'model');
    expect(keeper.delivered).toEqual([late, left]);
  });

  it('does not wait for ever for the worker that is first', async () => {
    keeper = new Keeper('answers');
    keeper.isFirst = false;
    const [id] = ids(1);
    if (id === undefined) throw new Error('There is one');

    // As the sweeper does, which finds it again and again.
    await until(async () => {
      await keeper.quarantine.take(id, 'model');
      return keeper.delivered.includes(id);
    });

    expect(keeper.processes).toHaveLength(1);
  });

  it('takes eight at once in a process, and no ninth', async () => {
    keeper = new Keeper('answers-eight');

    await takeAll(ids(32));

    expect(keeper.delivered).toHaveLength(32);
  });

  it('takes alone who has died among few too often', async () => {
    keeper = new Keeper('wants-alone');
    const suspects = ids(3);

    await takeAll(suspects);

    expect(keeper.delivered.toSorted()).toEqual([...suspects].toSorted());
  });

  it('takes one that is reported twice once', async () => {
    keeper = new Keeper('answers');
    const [id = newId(ConversationId)] = ids(1);

    await takeAll([id, id, id]);

    expect(keeper.delivered).toEqual([id]);
  });

  it('counts a death and goes on with the next suspect in another process', async () => {
    keeper = new Keeper('dies');
    const before = await suspectsThat('died');
    const [killer, innocent] = ids(2);
    const killed = takeAll(killer === undefined ? [] : [killer]);
    await killed;
    keeper.behaviour = 'answers';
    await takeAll(innocent === undefined ? [] : [innocent]);

    expect(await suspectsThat('died')).toBe(before + 1);
    expect(keeper.delivered).toEqual([innocent]);
    expect(keeper.processes).toHaveLength(2);
  });

  it('keeps what its processes have counted when they die, and adds up what several of them have', async () => {
    keeper = new Keeper('counts-and-dies');
    const counted = async () =>
      /^plantao_model_tokens_total\{provider="stand-in"\} (\d+)$/m.exec(await metricsOfAll())?.[1];

    await takeAll(ids(1));
    await until(async () => (await counted()) === '7');
    await takeAll(ids(1));
    await until(async () => (await counted()) === '14');

    expect(keeper.processes).toHaveLength(2);
    expect(keeper.alive).toBe(0);
  });

  it('ends a process that hangs over a suspect', async () => {
    keeper = new Keeper('hangs', 300);
    const before = await suspectsThat('died');

    await takeAll(ids(1));

    expect(keeper.processes[0]?.signalCode).toBe('SIGKILL');
    expect(await suspectsThat('died')).toBe(before + 1);
  });

  it('takes suspects in its own process, one at a time, when none can be started, so that nobody waits for ever', async () => {
    keeper = new Keeper('does-not-start');
    const suspects = ids(10);

    await takeAll(suspects);

    expect([...keeper.takenHere].toSorted()).toEqual([...suspects].toSorted());
    expect(keeper.hereMax).toBe(1);
    expect(keeper.processes.length).toBeLessThanOrEqual(4);
  });

  it('ends its processes with itself, and lets nobody wait for what it did not begin', async () => {
    keeper = new Keeper('hangs');
    const waiting = takeAll(ids(3));
    await until(() => keeper.processes.length === 1);

    await keeper.quarantine.close();
    await waiting;

    expect(keeper.alive).toBe(0);
    expect(keeper.delivered.length).toBeLessThanOrEqual(1);
  });
});
