import { z } from 'zod';
import { isComplete, marksOfRun } from '../k6/lib/verification.ts';
import type { Asked, Heard } from '../k6/lib/verification.ts';
import { monotonicMs, pause } from '../src/platform/time.ts';

const Page = z.object({
  replies: z.array(z.object({ phone: z.string(), text: z.string(), atMs: z.number() })),
  next: z.int(),
});

const LOOK_EVERY_MS = 200;
/** A second copy of a reply would come about now. */
const LISTEN_ON_MS = 2_000;

/** What has reached the sink since this began. */
export class Hearing {
  readonly heard: Heard[] = [];
  readonly #sinkUrl: string;
  readonly #run: string;
  readonly #numbers = new Set<number>();
  #next = 0;

  constructor(sinkUrl: string, run: string) {
    this.#sinkUrl = sinkUrl;
    this.#run = run;
  }

  /** Reads what is new, to its end. */
  async listen(): Promise<void> {
    for (let hasMore = true; hasMore;) {
      const response = await fetch(`${this.#sinkUrl}/replies?after=${this.#next}`, {
        signal: AbortSignal.timeout(10_000),
      });
      const { replies, next } = Page.parse(await response.json());
      this.heard.push(...replies);
      for (const { number } of marksOfRun(this.#run, replies)) this.#numbers.add(number);
      hasMore = replies.length > 0;
      this.#next = next;
    }
  }

  /** Waits until everything is answered, and a little longer. @returns how long that took, or undefined when it was not. */
  async untilComplete(asked: Asked, withinMs: number): Promise<number | undefined> {
    const startedAt = monotonicMs();
    while (monotonicMs() - startedAt < withinMs) {
      await this.listen();
      if (isComplete(asked, this.#numbers)) {
        const tookMs = monotonicMs() - startedAt;
        await pause(LISTEN_ON_MS);
        await this.listen();
        return tookMs;
      }
      await pause(LOOK_EVERY_MS);
    }
    return undefined;
  }
}
