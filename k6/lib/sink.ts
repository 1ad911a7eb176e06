import { sleep } from 'k6';
import http from 'k6/http';
import { Counter, Trend } from 'k6/metrics';
import { DRAIN_SECONDS } from './scenario.ts';
import { setting } from './settings.ts';
import { isComplete, marksOfRun } from './verification.ts';
import type { Asked, Heard, Verdict } from './verification.ts';

const replyMs = new Trend('reply_ms', true);
const verified = new Counter('verified');
const lost = new Counter('replies_lost');
const doubled = new Counter('replies_doubled');
const outOfOrder = new Counter('replies_out_of_order');
const toSomebodyElse = new Counter('replies_to_somebody_else');
const withoutCause = new Counter('replies_without_cause');

interface Page {
  readonly replies: readonly Heard[];
  readonly next: number;
  readonly refused: readonly { readonly run: string; readonly number: number }[];
}

const LOOK_EVERY_SECONDS = 1;
/** A second copy of a reply would come about now. */
const LISTEN_ON_SECONDS = 2;
/** Longer than a reply takes when all is well. */
const QUIET_SECONDS = 10;

/** How many replies the sink holds of earlier runs. */
export function placeInSink(): number {
  let place = 0;
  for (let page = pageAfter(place); page.replies.length > 0; page = pageAfter(place)) place = page.next;
  return place;
}

/** What has reached the sink since a run began. */
export class Hearing {
  readonly heard: Heard[] = [];
  readonly refused = new Set<number>();
  readonly numbers = new Set<number>();
  readonly run: string;
  place: number;

  constructor(run: string, place: number) {
    this.run = run;
    this.place = place;
  }

  /** Waits until everything is answered or the time is over, and a little longer. */
  untilComplete(asked: Asked): void {
    for (let waited = 0; waited < DRAIN_SECONDS && !isComplete(asked, this.numbers); waited += LOOK_EVERY_SECONDS) {
      this.listen();
      sleep(LOOK_EVERY_SECONDS);
    }
    sleep(LISTEN_ON_SECONDS);
    this.listen();
  }

  /** Waits until nothing has come for a while, or the time is over. */
  untilQuiet(): void {
    let quiet = 0;
    for (let waited = 0; waited < DRAIN_SECONDS && quiet < QUIET_SECONDS; waited += LOOK_EVERY_SECONDS) {
      const before = this.heard.length;
      sleep(LOOK_EVERY_SECONDS);
      this.listen();
      quiet = this.heard.length === before ? quiet + LOOK_EVERY_SECONDS : 0;
    }
  }

  listen(): void {
    for (let hasMore = true; hasMore;) {
      const page = pageAfter(this.place);
      hasMore = page.replies.length > 0;
      this.place = page.next;
      this.heard.push(...page.replies);
      for (const { number } of marksOfRun(this.run, page.replies)) this.numbers.add(number);
      for (const one of page.refused) if (one.run === this.run) this.refused.add(one.number);
    }
  }
}

/** Turns a verdict into metrics, which thresholds judge. */
export function noteVerdict(verdict: Verdict): void {
  for (const waitMs of verdict.waitsMs) replyMs.add(waitMs);
  lost.add(verdict.lost.length);
  doubled.add(verdict.doubled.length);
  outOfOrder.add(verdict.outOfOrder.length);
  toSomebodyElse.add(verdict.mixed.length);
  withoutCause.add(verdict.withoutCause.length);
  verified.add(1);
}

/** What the model takes from now on. */
export function letModelThinkFor(ms: number): void {
  http.post(`${setting('SINK_URL')}/model`, JSON.stringify({ ms }), {
    headers: { 'Content-Type': 'application/json' },
    tags: { kind: 'sink' },
  });
}

function pageAfter(place: number): Page {
  const answer = http.get(`${setting('SINK_URL')}/replies?after=${place}`, {
    responseType: 'text',
    tags: { kind: 'sink' },
  });
  if (answer.status !== 200) throw new Error(`The sink answered ${answer.status}`);
  // Our own program's answer; a sink of another shape fails the verification, which is what it is for.
  return JSON.parse(answer.body) as Page;
}
