import { describe, expect, it } from '@jest/globals';
import { SlaSetting } from '../vocabulary/sla.ts';
import { businessCalendarOf } from './business-calendar.ts';
import { clocksOf, dueSteps, policyOf, stateOf, stepsOf } from './sla.ts';
import type { ClockStory, HandoffStory, SaidInHandoff } from './sla.ts';

/** So many minutes after the handoff began. */
const at = (minutes: number): Date => new Date(Date.UTC(2026, 7, 3, 12, minutes));

const says =
  (author: SaidInHandoff['author'], isThanks = false) =>
  (minutes: number): SaidInHandoff => ({ id: `${author} ${String(minutes)}`, author, at: at(minutes), isThanks });
const ana = says('customer');
const anaThanks = says('customer', true);
const bruno = says('human');

const called = (messages: readonly SaidInHandoff[], more: Partial<HandoffStory> = {}): HandoffStory => ({
  id: 'handoff',
  requestedAt: at(0),
  wasWaiting: true,
  endedAt: undefined,
  messages,
  ...more,
});

function policy(more: object = {}) {
  const normal = { firstResponse: 10, nextResponse: 20, resolution: 60 };
  const it = policyOf(SlaSetting.parse({ enabled: true, priorities: { normal }, ...more }), 'normal');
  if (it === undefined) throw new Error('Nothing is promised');
  return it;
}

const PROMISE = policy();
const always = businessCalendarOf(null, 'America/Sao_Paulo');

const minutesOf = (date: Date | undefined): number | undefined => date && (date.getTime() - at(0).getTime()) / 60_000;
/** Kind, from, to. */
const told = (story: HandoffStory) =>
  clocksOf(story, PROMISE)
    .filter(({ kind }) => kind !== 'resolution')
    .map(({ kind, startedAt, stoppedAt }) => [kind, minutesOf(startedAt), minutesOf(stoppedAt)]);

describe('the clocks of a handoff', () => {
  it.each<[string, HandoffStory, ReturnType<typeof told>]>([
    ['wait for a first answer', called([]), [['first-response', 0, undefined]]],
    ['are not stopped by the customer', called([ana(1), ana(2)]), [['first-response', 0, undefined]]],
    ['have it when a person speaks', called([ana(1), bruno(3)]), [['first-response', 0, 3]]],
    [
      'wait for the next answer from the first of several questions',
      called([bruno(1), ana(2), ana(4)]),
      [
        ['first-response', 0, 1],
        ['next-response', 2, undefined],
      ],
    ],
    [
      'tell each question that was answered apart',
      called([bruno(1), ana(2), bruno(3), bruno(4), ana(5), bruno(9)]),
      [
        ['first-response', 0, 1],
        ['next-response', 2, 3],
        ['next-response', 5, 9],
      ],
    ],
    ['do not wait for an answer to thanks', called([bruno(1), anaThanks(2)]), [['first-response', 0, 1]]],
    [
      'wait for an answer to a question after thanks',
      called([bruno(1), anaThanks(2), ana(7)]),
      [
        ['first-response', 0, 1],
        ['next-response', 7, undefined],
      ],
    ],
    [
      'of a person who came uncalled wait for no first answer',
      called([ana(2)], { wasWaiting: false }),
      [['next-response', 2, undefined]],
    ],
    [
      'end with the handoff',
      called([bruno(1), ana(2)], { endedAt: at(5) }),
      [
        ['first-response', 0, 1],
        ['next-response', 2, 5],
      ],
    ],
  ])('%s', (_title, story, clocks) => {
    expect(told(story)).toEqual(clocks);
  });

  it('are none where nothing is promised', () => {
    const nothing = policy({ priorities: {} });

    expect(clocksOf(called([bruno(1), ana(2)]), nothing)).toEqual([]);
    expect(policyOf(SlaSetting.parse({}), 'urgent')).toBeUndefined();
  });

  it('stand still for the resolution while the customer owes an answer, if the tenant says so', () => {
    const kind = policy({ pauseWhileCustomerOwes: true });
    const story = called([ana(1), bruno(5), anaThanks(6), ana(30), bruno(35)]);

    const resolution = clocksOf(story, kind).find((clock) => clock.kind === 'resolution');

    expect(resolution?.pauses).toEqual([{ from: at(5), to: at(30) }, { from: at(35) }]);
    expect(resolution && stateOf(resolution, undefined, at(40))).toBe('paused');
    expect(clocksOf(story, PROMISE).find((clock) => clock.kind === 'resolution')?.pauses).toEqual([]);
  });
});

const firstResponse: ClockStory = {
  kind: 'first-response',
  causeId: 'handoff',
  startedAt: at(0),
  stoppedAt: undefined,
  isMet: false,
  pauses: [],
};

describe('the steps of a clock', () => {
  const ladder = policy({ warnBefore: { minutes: 4 }, escalations: [{ afterMinutes: 5 }, { afterMinutes: 15 }] });
  const steps = stepsOf(ladder, always, firstResponse);
  const due = (minutes: number, stoppedAt?: number) =>
    dueSteps(steps, stoppedAt === undefined ? undefined : at(stoppedAt), at(minutes)).map(({ name }) => name);

  it('are a warning, the breach and the ladder, in that order', () => {
    expect(steps.map((step) => [step.name, minutesOf(step.at)])).toEqual([
      ['warning', 6],
      ['breach', 10],
      ['escalation-1', 15],
      ['escalation-2', 25],
    ]);
  });

  it.each<[number, readonly string[]]>([
    [5, []],
    [6, ['warning']],
    [10, ['warning', 'breach']],
    [1_000, ['warning', 'breach', 'escalation-1', 'escalation-2']],
  ])('after %i minutes that are due: %j', (minutes, names) => {
    expect(due(minutes)).toEqual(names);
  });

  it('of an answered clock are none, but for a breach that nobody had noticed', () => {
    expect(due(60, 9)).toEqual([]);
    expect(due(60, 10)).toEqual([]);
    expect(due(60, 18)).toEqual(['breach']);
  });

  it('warn a part of the time ahead, or not at all', () => {
    const warnings = (more: object) =>
      stepsOf(policy(more), always, firstResponse)
        .filter(({ name }) => name === 'warning')
        .map((step) => minutesOf(step.at));

    expect(warnings({})).toEqual([7.5]);
    expect(warnings({ warnBefore: null })).toEqual([]);
    expect(warnings({ warnBefore: { minutes: 30 } })).toEqual([]);
  });
});

describe('the state of a clock', () => {
  const stopped = (minutes: number, isMet: boolean): ClockStory => ({
    ...firstResponse,
    stoppedAt: at(minutes),
    isMet,
  });

  it.each<[string, ClockStory, number]>([
    ['running', firstResponse, 9],
    ['breached', firstResponse, 10],
    ['met', stopped(10, true), 60],
    ['missed', stopped(11, true), 60],
    ['ended', stopped(5, false), 60],
    ['missed', stopped(15, false), 60],
  ])('is %s', (state, clock, now) => {
    expect(stateOf(clock, at(10), at(now))).toBe(state);
  });
});

describe('the setting', () => {
  it.each([
    [{ escalations: [{ afterMinutes: 10 }, { afterMinutes: 5 }] }],
    [{ warnBefore: { fraction: 1.5 } }],
    [{ priorities: { normal: { firstResponse: -1 } } }],
    [{ priorities: { extreme: {} } }],
  ])('%j is refused', (setting) => {
    expect(SlaSetting.safeParse(setting).success).toBe(false);
  });
});
