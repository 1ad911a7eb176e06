import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { FailureCode } from '../../src/vocabulary/failures.ts';
import { Failure } from '../../src/vocabulary/failures.ts';
import type { Notice, Notifier, TargetAddress } from '../../src/vocabulary/notification.ts';
import { THROTTLED_SECONDS } from './mode.ts';
import type { Mode } from './mode.ts';

/** A vendor's stand-in, with what the contract must know of it. */
export interface NotifierTown {
  readonly address: TargetAddress;
  /** What may be printed nowhere. */
  readonly secret: string;
  readonly notifier: Notifier;
  /** One that waits no longer than half a second. */
  readonly hasty: Notifier;
  behave(mode: Mode): void;
  /** What has reached people, as raw text. */
  told(): readonly string[];
  close(): Promise<void>;
}

export interface NotifierContract {
  readonly name: string;
  readonly start: () => Promise<NotifierTown>;
  /** What becomes of each mode. */
  readonly fails: Readonly<Record<Exclude<Mode, 'none' | 'silent'>, FailureCode>>;
  /** What a throttled vendor asks for; undefined: its wire has no way to ask. */
  readonly asksMs: number | undefined;
}

export const RETRY_AFTER_MS = THROTTLED_SECONDS * 1_000;

export function noticeFor(changes: Partial<Notice> = {}): Notice {
  return {
    id: '0b5f3a52-6f0e-4e0f-9a51-2f2b8f0f7c11',
    kind: 'handoff',
    action: 'tell',
    alarmKey: 'plantao-handoff:7',
    severity: 'warning',
    title: 'Padaria da Vila: um cliente espera por uma pessoa',
    lines: ['Motivo: o cliente pediu uma pessoa', 'Ticket: 42'],
    link: 'https://plantao.example/api/v1/tenants/1/conversations/2/messages',
    happenedAt: new Date('2026-11-21T12:00:00Z'),
    data: { tenantId: '1', conversationId: '2' },
    ...changes,
  };
}

/** Every vendor's way to tell people, by whoever implements it: what was taken is told, and what was not is said not to be. */
export function describeNotifierContract({ name, start, fails, asksMs }: NotifierContract): void {
  describe(`telling by ${name}`, () => {
    let town: NotifierTown;
    const never = new AbortController().signal;
    beforeAll(async () => {
      town = await start();
    });
    afterAll(() => town.close());
    afterEach(() => {
      town.behave('none');
    });

    const telling = async (how: { mode: Mode; through?: Notifier }): Promise<unknown> => {
      town.behave(how.mode);
      const before = town.told().length;
      const outcome = await (how.through ?? town.notifier).tell(town.address, noticeFor(), never).then(
        () => 'told',
        (error: unknown) => {
          expect(inspect(error, { depth: 8 })).not.toContain(town.secret);
          return error instanceof Failure ? error.code : error;
        },
      );
      return [outcome, town.told().length - before];
    };

    it('tells what was told, once', async () => {
      expect(await telling({ mode: 'none' })).toEqual(['told', 1]);
    });

    it.each(Object.entries(fails) as [keyof typeof fails, FailureCode][])(
      'when the other side is %s says %s, and nothing was told',
      async (mode, code) => {
        expect(await telling({ mode })).toEqual([code, 0]);
      },
    );

    it('waits as long as it is asked to', async () => {
      town.behave('throttled');
      const failure: unknown = await town.notifier.tell(town.address, noticeFor(), never).catch((it: unknown) => it);

      expect(failure instanceof Failure ? failure.retryAfterMs : failure).toBe(asksMs);
    });

    it('gives up on who never answers', async () => {
      expect(await telling({ mode: 'silent', through: town.hasty })).toEqual(['NOTIFICATION_NOT_TAKEN', 0]);
    });

    it('is broken off by who does not want to wait, and says so', async () => {
      town.behave('silent');
      const control = new AbortController();
      const told = town.notifier.tell(town.address, noticeFor(), control.signal);
      control.abort(new Error('The process is ending'));

      await expect(told).rejects.toThrow('The process is ending');
    });
  });
}
