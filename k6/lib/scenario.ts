import { planProfile, secondsOf } from './profiles.ts';
import type { Profile, ProfileName, Stage } from './profiles.ts';
import { percentileOf, THRESHOLDS } from './thresholds.ts';

/** How long a request may be on its way after the last one was begun. */
const GRACE_SECONDS = 15;
/** As long as the objective of replies gives, twice. */
export const DRAIN_SECONDS = 2 * THRESHOLDS.replyWithinSeconds;
/** Between two profiles of the same rate k6 goes over in no time. */
const AT_ONCE = '0s';

/** The plan that the environment asks for; `MINUTES` makes it longer or shorter. */
export function planFrom(name: ProfileName, minutes: string | undefined): Profile {
  return planProfile(name, minutes === undefined ? undefined : Number(minutes));
}

/**
 * A profile as k6 runs it: all messages at their times, whatever comes back, and then one look at what the customers heard of it.
 * Pure.
 */
export function optionsOf(profile: Profile) {
  return {
    discardResponseBodies: true,
    summaryTrendStats: ['med', 'p(95)', 'p(99)', 'p(99.9)', 'max'],
    scenarios: { load: loadOf(profile), ...(profile.isRamp ? {} : { verification: verificationOf(profile) }) },
    // A ramp that a threshold has ended runs no other scenario any more, and is verified in its teardown.
    teardownTimeout: `${2 * DRAIN_SECONDS + GRACE_SECONDS}s`,
    thresholds: thresholdsOf(profile),
  };
}

function loadOf({ stages }: Profile) {
  const highest = Math.max(...stages.map(({ perSecond }) => perSecond));
  return {
    executor: 'ramping-arrival-rate' as const,
    exec: 'post',
    startRate: stages[0]?.perSecond ?? 0,
    timeUnit: '1s',
    stages: stages.flatMap(stepOf),
    // Somebody who waits a whole second for an answer keeps nobody else from writing.
    preAllocatedVUs: highest,
    maxVUs: 2 * highest,
    gracefulStop: `${GRACE_SECONDS}s`,
  };
}

function stepOf({ perSecond, seconds }: Stage): { duration: string; target: number }[] {
  return [
    { duration: AT_ONCE, target: perSecond },
    { duration: `${seconds}s`, target: perSecond },
  ];
}

/** How many messages there were is told to scenarios alone, and not in a teardown. Source: grafana/k6, execution/scheduler.go. */
function verificationOf({ stages }: Profile) {
  return {
    executor: 'per-vu-iterations' as const,
    exec: 'verification',
    vus: 1,
    iterations: 1,
    startTime: `${secondsOf(stages) + GRACE_SECONDS}s`,
    maxDuration: `${2 * DRAIN_SECONDS}s`,
  };
}

interface Threshold {
  readonly threshold: string;
  readonly abortOnFail: boolean;
  readonly delayAbortEval?: string;
}

/** What lights an alert fails the run; a ramp ends there. */
function thresholdsOf({ isRamp }: Profile): Record<string, Threshold[]> {
  const bound = (threshold: string): Threshold => ({ threshold, abortOnFail: isRamp, delayAbortEval: '10s' });
  const { intakeBadShare, intakeWithinSeconds, requestP95Seconds, failedShare, rejectedMax, notAuthenticMax } =
    THRESHOLDS;
  const { replyLateShare, replyWithinSeconds } = THRESHOLDS;
  const always = (threshold: string): Threshold[] => [{ threshold, abortOnFail: false }];
  return {
    'http_req_duration{kind:webhook}': [
      bound(`p(95)<=${requestP95Seconds * 1_000}`),
      bound(`${percentileOf(intakeBadShare)}<=${intakeWithinSeconds * 1_000}`),
    ],
    webhooks_bad: [bound(`rate<=${intakeBadShare}`)],
    webhooks_failed: [bound(`rate<=${failedShare}`)],
    webhooks_rejected: [bound(`count<=${rejectedMax}`)],
    webhooks_not_authentic: [bound(`count<=${notAuthenticMax}`)],
    reply_ms: always(`${percentileOf(replyLateShare)}<=${replyWithinSeconds * 1_000}`),
    // A generator that could not keep up has measured itself.
    dropped_iterations: always('count==0'),
    verified: always('count==1'),
    replies_lost: always('count==0'),
    replies_doubled: always('count==0'),
    replies_out_of_order: always('count==0'),
    replies_to_somebody_else: always('count==0'),
    replies_without_cause: always('count==0'),
  };
}
