import { monotonicMs, pause } from './time.ts';

export const CHECK_STATES = ['ok', 'skipped', 'warning', 'failed'] as const;
export type CheckState = (typeof CHECK_STATES)[number];

export interface CheckResult {
  readonly name: string;
  readonly state: CheckState;
  /** For an operator: no secret, nobody's name, number or words. */
  readonly detail: string;
}

export type TimedResult = CheckResult & { readonly tookMs: number };

export interface CheckReport {
  /** The worst of the checks; `skipped` counts as well. */
  readonly status: 'ok' | 'warning' | 'failed';
  readonly checkedAt: Date;
  readonly checks: readonly TimedResult[];
}

/** What looks at one thing, or at several of a kind. What it throws counts as failed, by the error's own name. */
export interface Check {
  readonly name: string;
  readonly run: (signal: AbortSignal) => Promise<Omit<CheckResult, 'name'> | readonly CheckResult[]>;
}

/** How long a report is believed: whoever reloads a page costs nobody anything. */
const BELIEVED_MS = 30_000;
/** Everything is asked at once, and whoever has not answered by then has failed. */
const DEADLINE_MS = 8_000;

/** Asks everything that this installation rests on. Callers that come together, or soon after, share one report. */
export class DeepCheck {
  readonly #checks: readonly Check[];
  readonly #now: () => Date;
  #report: CheckReport | undefined;
  #reportedAt = -Infinity;
  #underWay: Promise<CheckReport> | undefined;

  constructor(checks: readonly Check[], now: () => Date) {
    this.#checks = checks;
    this.#now = now;
  }

  /** Never rejects. */
  async report(): Promise<CheckReport> {
    if (this.#report !== undefined && monotonicMs() - this.#reportedAt < BELIEVED_MS) return this.#report;
    this.#underWay ??= this.#ask().finally(() => (this.#underWay = undefined));
    return await this.#underWay;
  }

  async #ask(): Promise<CheckReport> {
    const checks = (await Promise.all(this.#checks.map((check) => timed(check)))).flat();
    this.#report = { status: worstOf(checks), checkedAt: this.#now(), checks };
    this.#reportedAt = monotonicMs();
    return this.#report;
  }
}

async function timed(check: Check): Promise<readonly TimedResult[]> {
  const startedAt = monotonicMs();
  const deadline = new AbortController();
  const late = async (): Promise<never> => {
    await pause(DEADLINE_MS, deadline.signal);
    throw new Error('timeout');
  };
  const results = await Promise.race([check.run(deadline.signal), late()]).catch((error: unknown) => ({
    state: 'failed' as const,
    detail: reasonOf(error),
  }));
  deadline.abort();
  const tookMs = Math.round(monotonicMs() - startedAt);
  const list = 'state' in results ? [{ name: check.name, ...results }] : results;
  return list.map((result) => ({ ...result, tookMs }));
}

/** The kind of an error and its code. Its message may hold an address with a password in it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  if (error.message === 'timeout') return `no answer within ${DEADLINE_MS} ms`;
  return 'code' in error && typeof error.code === 'string' ? `${error.name} ${error.code}` : error.name;
}

function worstOf(checks: readonly CheckResult[]): CheckReport['status'] {
  const worst = Math.max(0, ...checks.map(({ state }) => CHECK_STATES.indexOf(state)));
  return CHECK_STATES[worst] === 'failed' ? 'failed' : CHECK_STATES[worst] === 'warning' ? 'warning' : 'ok';
}
