import type { HandoffPriority } from '../vocabulary/events.ts';
import type { SlaKind, SlaSetting, SlaState } from '../vocabulary/sla.ts';
import { addOpenMs } from './business-calendar.ts';
import type { BusinessCalendar, Pause } from './business-calendar.ts';

/*
 * What was promised to a customer who waits for people, and how that stands: pure rules over what was said.
 *
 * Nothing here remembers anything. From the handoff and its messages follows every clock, so that a message that is heard
 * of late, or twice, or in the wrong order gives the same clocks in the end.
 */

const MINUTE_MS = 60_000;

/** What was promised for one handoff, as it was when it began. */
export interface SlaPolicy {
  readonly priority: HandoffPriority;
  /** Milliseconds of business time; 0: no clock. */
  readonly promisedMs: Readonly<Record<SlaKind, number>>;
  readonly setting: Pick<SlaSetting, 'warnBefore' | 'escalations' | 'pauseWhileCustomerOwes'>;
}

/** What a tenant promises for a handoff of this priority; undefined when it promises nothing. */
export function policyOf(setting: SlaSetting, priority: HandoffPriority): SlaPolicy | undefined {
  if (!setting.enabled) return undefined;
  const { firstResponse, nextResponse, resolution } = setting.priorities[priority];
  const { warnBefore, escalations, pauseWhileCustomerOwes } = setting;
  return {
    priority,
    promisedMs: {
      'first-response': firstResponse * MINUTE_MS,
      'next-response': nextResponse * MINUTE_MS,
      resolution: resolution * MINUTE_MS,
    },
    setting: { warnBefore, escalations, pauseWhileCustomerOwes },
  };
}

export interface SaidInHandoff {
  readonly id: string;
  readonly author: 'customer' | 'human';
  readonly at: Date;
  /** Thanks and goodbyes wait for nothing. */
  readonly isThanks: boolean;
}

/** A handoff and what was said in it, in order. */
export interface HandoffStory {
  readonly id: string;
  readonly requestedAt: Date;
  /** Whether somebody was called first; else it began with a person who is there. */
  readonly wasWaiting: boolean;
  readonly endedAt: Date | undefined;
  readonly messages: readonly SaidInHandoff[];
}

/** A clock as the story tells it, before any calendar. */
export interface ClockStory {
  readonly kind: SlaKind;
  /** What started it: the handoff, or the message that waits for an answer. Names the clock. */
  readonly causeId: string;
  readonly startedAt: Date;
  readonly stoppedAt: Date | undefined;
  /** Whether it was stopped by what it was waiting for. */
  readonly isMet: boolean;
  readonly pauses: readonly Pause[];
}

/** Every clock of a handoff, those that have ended included. */
export function clocksOf(story: HandoffStory, policy: SlaPolicy): readonly ClockStory[] {
  const clocks = [
    ...(story.wasWaiting ? [firstResponse(story)] : []),
    ...nextResponses(story),
    resolution(story, policy.setting.pauseWhileCustomerOwes),
  ];
  return clocks.filter(({ kind }) => policy.promisedMs[kind] > 0);
}

function firstResponse({ id, requestedAt, endedAt, messages }: HandoffStory): ClockStory {
  const answer = messages.find(({ author }) => author === 'human');
  return clock({ kind: 'first-response', causeId: id, startedAt: requestedAt }, answer?.at, endedAt);
}

/** From the first thing that a customer says after a person's words to the next words of a person. */
function nextResponses({ wasWaiting, endedAt, messages }: HandoffStory): readonly ClockStory[] {
  const clocks: ClockStory[] = [];
  let isHeard = !wasWaiting;
  let waiting: SaidInHandoff | undefined;
  const end = (answeredAt: Date | undefined): void => {
    if (waiting === undefined) return;
    clocks.push(clock({ kind: 'next-response', causeId: waiting.id, startedAt: waiting.at }, answeredAt, endedAt));
    waiting = undefined;
  };
  for (const message of messages) {
    if (message.author === 'human') {
      isHeard = true;
      end(message.at);
    } else if (isHeard && !message.isThanks) waiting ??= message;
  }
  end(undefined);
  return clocks;
}

function resolution(story: HandoffStory, pausesWhileCustomerOwes: boolean): ClockStory {
  const { id, requestedAt, endedAt } = story;
  const it = clock({ kind: 'resolution', causeId: id, startedAt: requestedAt }, endedAt, endedAt);
  return pausesWhileCustomerOwes ? { ...it, pauses: whileCustomerOwes(story.messages) } : it;
}

/** From a person's answer to the next thing that the customer wants. */
function whileCustomerOwes(messages: readonly SaidInHandoff[]): readonly Pause[] {
  const pauses: Pause[] = [];
  let since: Date | undefined;
  for (const { author, at, isThanks } of messages) {
    if (author === 'human') since ??= at;
    else if (since !== undefined && !isThanks) {
      pauses.push({ from: since, to: at });
      since = undefined;
    }
  }
  return since === undefined ? pauses : [...pauses, { from: since }];
}

function clock(
  what: Pick<ClockStory, 'kind' | 'causeId' | 'startedAt'>,
  metAt: Date | undefined,
  endedAt: Date | undefined,
): ClockStory {
  return { ...what, stoppedAt: metAt ?? endedAt, isMet: metAt !== undefined, pauses: [] };
}

/** Something that is done once when its time comes. */
export interface SlaStep {
  readonly name: string;
  /** Undefined: not in sight. */
  readonly at: Date | undefined;
  /** The notification targets that are told; undefined: all that want to know. */
  readonly targets: readonly string[] | undefined;
}

export const WARNING = 'warning';
export const BREACH = 'breach';

/** What is done about a clock, and when: a warning, the breach, and up the ladder. In the order of their times. */
export function stepsOf(policy: SlaPolicy, calendar: BusinessCalendar, it: ClockStory): readonly SlaStep[] {
  const promisedMs = policy.promisedMs[it.kind];
  const counted = { ...calendar, pauses: it.pauses };
  const at = (ms: number): Date | undefined => addOpenMs(counted, it.startedAt, ms);
  const warnMs = promisedMs - warnBeforeMs(policy, promisedMs);
  return [
    ...(warnMs > 0 && warnMs < promisedMs ? [{ name: WARNING, at: at(warnMs), targets: undefined }] : []),
    { name: BREACH, at: at(promisedMs), targets: undefined },
    ...policy.setting.escalations.map(({ afterMinutes, targets }, index) => ({
      name: `escalation-${String(index + 1)}`,
      at: at(promisedMs + afterMinutes * MINUTE_MS),
      targets,
    })),
  ];
}

function warnBeforeMs({ setting: { warnBefore } }: SlaPolicy, promisedMs: number): number {
  if (warnBefore === null) return 0;
  return 'minutes' in warnBefore ? warnBefore.minutes * MINUTE_MS : Math.round(warnBefore.fraction * promisedMs);
}

/**
 * The steps whose time has come.
 *
 * Of a clock that has stopped only a breach is still told that nobody noticed in time: to warn of what is over helps nobody.
 */
export function dueSteps(steps: readonly SlaStep[], stoppedAt: Date | undefined, now: Date): readonly SlaStep[] {
  const until = stoppedAt !== undefined && stoppedAt < now ? stoppedAt : now;
  const isOver = stoppedAt !== undefined;
  return steps.filter(({ name, at }) => at !== undefined && isDue(at, until, isOver) && (!isOver || name === BREACH));
}

/** An answer at the very instant is in time. */
function isDue(at: Date, until: Date, isOver: boolean): boolean {
  return isOver ? at < until : at <= until;
}

export function stateOf(it: ClockStory, dueAt: Date | undefined, now: Date): SlaState {
  if (it.stoppedAt !== undefined) {
    if (dueAt !== undefined && it.stoppedAt > dueAt) return 'missed';
    return it.isMet ? 'met' : 'ended';
  }
  if (dueAt !== undefined && dueAt <= now) return 'breached';
  return isPaused(it) ? 'paused' : 'running';
}

export function isPaused(it: ClockStory): boolean {
  return it.stoppedAt === undefined && it.pauses.some(({ to }) => to === undefined);
}
