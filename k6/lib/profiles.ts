/** So many messages a second for so long. */
export interface Stage {
  readonly perSecond: number;
  readonly seconds: number;
}

/** How customers write: at their own times, whatever the product does meanwhile. */
export interface Profile {
  readonly name: string;
  readonly says: string;
  readonly stages: readonly Stage[];
  /** Everybody writes again after so many others. Many people with one message each, or few who go on talking. */
  readonly customers: number;
  /** What the model takes. */
  readonly modelMs: number;
  /** Whether every stage is looked at for itself, and the first one that is too much ends the run. */
  readonly isRamp: boolean;
}

export const PROFILE_NAMES = ['burst', 'steady', 'slow-model', 'soak', 'ramp'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

/** Of a model that is well. */
const MODEL_MS = 300;
/** Below what the alert ModelSlow calls slow, so that the load and not the model is put to the test. */
const SLOW_MODEL_MS = 8_000;

const CALM: Stage = { perSecond: 10, seconds: 5 };
const BURST: Stage = { perSecond: 400, seconds: 2 };
const REST: Stage = { perSecond: 10, seconds: 13 };
const BURST_ROUND_SECONDS = CALM.seconds + BURST.seconds + REST.seconds;

const RAMP_STEPS = [25, 50, 75, 100, 125, 150, 175, 200, 250, 300, 400, 500] as const;
const RAMP_STEP_SECONDS_MIN = 5;

/** Minutes that a profile takes when nobody says how many. */
const MINUTES: Readonly<Record<ProfileName, number>> = { burst: 1, steady: 2, 'slow-model': 2, soak: 30, ramp: 3 };

/** The load of this name. Pure, so that k6 and its twin send the same. */
export function planProfile(name: ProfileName, minutes: number = MINUTES[name]): Profile {
  const seconds = Math.max(1, Math.round(minutes * 60));
  switch (name) {
    case 'burst': {
      const rounds = Math.max(1, Math.round(seconds / BURST_ROUND_SECONDS));
      const stages = Array.from({ length: rounds }, () => [CALM, BURST, REST]).flat();
      const says =
        'a campaign goes out: 400 webhooks a second for two seconds, again and again, each from somebody else';
      return { name, says, stages, customers: 4_000, modelMs: MODEL_MS, isRamp: false };
    }
    case 'steady': {
      const says = 'conversations that go on: 400 people, each of whom writes every ten seconds';
      return { name, says, stages: [{ perSecond: 40, seconds }], customers: 400, modelMs: MODEL_MS, isRamp: false };
    }
    case 'slow-model': {
      const says = 'a model that takes eight seconds: forty turns wait for it at any time';
      const stages = [{ perSecond: 5, seconds }];
      return { name, says, stages, customers: 400, modelMs: SLOW_MODEL_MS, isRamp: false };
    }
    case 'soak': {
      const says = 'a busy day, for as long as you like: does anything grow?';
      return { name, says, stages: [{ perSecond: 20, seconds }], customers: 2_000, modelMs: MODEL_MS, isRamp: false };
    }
    case 'ramp': {
      const step = Math.max(RAMP_STEP_SECONDS_MIN, Math.round(seconds / RAMP_STEPS.length));
      const stages = RAMP_STEPS.map((perSecond) => ({ perSecond, seconds: step }));
      const says = 'more and more, until an alert would light';
      return { name, says, stages, customers: 4_000, modelMs: MODEL_MS, isRamp: true };
    }
  }
}

export function messagesOf(stages: readonly Stage[]): number {
  return stages.reduce((sum, { perSecond, seconds }) => sum + perSecond * seconds, 0);
}

export function secondsOf(stages: readonly Stage[]): number {
  return stages.reduce((sum, { seconds }) => sum + seconds, 0);
}
