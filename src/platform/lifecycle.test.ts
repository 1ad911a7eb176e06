import { describe, expect, it } from '@jest/globals';
import { Lifecycle } from './lifecycle.ts';
import { createLogger } from './logger.ts';

function open() {
  const lines: string[] = [];
  const lifecycle = new Lifecycle(
    createLogger({ level: 'error', process: 'test' }, { write: (line) => lines.push(line) }),
  );
  return { lifecycle, lines };
}

describe('closing', () => {
  it('ends what was opened last first, each only when the one before it has ended', async () => {
    const { lifecycle } = open();
    const ended: string[] = [];
    for (const name of ['database', 'queue', 'server']) {
      lifecycle.keep(name, name, async (it) => {
        await new Promise(setImmediate);
        ended.push(it);
      });
    }

    await lifecycle.close();

    expect(ended).toEqual(['server', 'queue', 'database']);
  });

  it('hands back what it keeps', () => {
    const thing = { a: 1 };

    expect(open().lifecycle.keep('thing', thing, () => undefined)).toBe(thing);
  });

  it('goes on after a part that fails, and says which it was', async () => {
    const { lifecycle, lines } = open();
    const ended: string[] = [];
    lifecycle.keep('first', 1, () => ended.push('first'));
    lifecycle.keep('broken', 2, () => {
      throw new Error('it broke');
    });

    await lifecycle.close();

    expect(ended).toEqual(['first']);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('"part":"broken"');
  });

  it('leaves behind what does not end in time', async () => {
    const { lifecycle, lines } = open();
    const ended: string[] = [];
    lifecycle.keep('first', 1, () => ended.push('first'));
    lifecycle.keep('stuck', 2, () => new Promise(() => undefined));

    await lifecycle.close(20);

    expect(ended).toEqual(['first']);
    expect(lines[0]).toContain('stuck did not close within 20 ms');
  });

  it('happens once, however often it is asked for', async () => {
    const { lifecycle } = open();
    let closed = 0;
    lifecycle.keep('thing', 1, () => (closed += 1));

    await Promise.all([lifecycle.close(), lifecycle.close()]);
    await lifecycle.close();

    expect(closed).toBe(1);
  });
});
