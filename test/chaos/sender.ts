import { Agent, request } from 'undici';
import { webhookBody } from '../../sandbox/whaticket/webhook-shapes.ts';
import { webhookHeaders } from '../../sandbox/whaticket/webhook-signing.ts';
import { monotonicMs, pause, systemClock } from '../../src/platform/time.ts';
import { WISH } from './load.ts';
import type { Load, PlannedPost, PlannedQuestion } from './load.ts';
import type { Question } from './history.ts';
import type { Person } from './inject.ts';
import { CHANNELS, providerIdOf } from './pipeline.ts';
import type { Mailbox } from './pipeline.ts';

export interface Sent {
  readonly questions: readonly Question[];
  /** How often each status came; 0 is a line that was refused or cut, or an answer that did not come in time. */
  readonly statuses: Readonly<Record<string, number>>;
  /** How long each webhook took that was answered 2xx. */
  readonly webhookMs: readonly number[];
  /** How late the posts were begun: how honest the sender was. */
  readonly latenessMs: readonly number[];
}

const ANSWER_WITHIN_MS = 5_000;
const RETRY_AFTER_MS = 500;
/** Nobody is away for so long that this would not be enough; who is, has lost the message. */
const ATTEMPTS_MAX = 150;

/** The answer to the first of them waits behind the one that nobody knows of when the second one is decided. */
const AFTER_THOUGHTS = ['e quanto custa?', WISH];
/** From the thinking to the decision, and a little longer. */
const AFTER_THOUGHT_MS = 1_000;
const LOGIN_CHANNELS = new Set(CHANNELS.filter(({ hasLogin }) => hasLogin).map(({ name }) => name));

/** Posts a load as a good sender does: at its times, whatever comes back, and again until somebody takes it. */
export class Sender {
  /** Resolves when somebody thinks about the answer to this question, or has not begun to in time. */
  readonly #untilAnswering: (questionId: string) => Promise<unknown>;
  readonly #load: Load;
  readonly #mailboxes: ReadonlyMap<string, Mailbox>;
  readonly #questions: Map<string, PlannedQuestion>;
  readonly #afterThoughts: Promise<void>[] = [];
  readonly #acceptedAt = new Map<string, number>();
  readonly #statuses: Record<string, number> = {};
  readonly #webhookMs: number[] = [];
  readonly #latenessMs: number[] = [];
  readonly #agent = new Agent({ connections: 64, headersTimeout: ANSWER_WITHIN_MS, bodyTimeout: ANSWER_WITHIN_MS });
  #beganAt = 0;
  #nextAfterThought = 900_000;

  constructor(
    load: Load,
    mailboxes: ReadonlyMap<string, Mailbox>,
    untilAnswering: (questionId: string) => Promise<unknown>,
  ) {
    this.#load = load;
    this.#untilAnswering = untilAnswering;
    this.#mailboxes = mailboxes;
    this.#questions = new Map(load.questions.map((question) => [question.id, question]));
  }

  /**
   * These people write on, whatever was planned for them: a question, and when its answer is being thought about, that
   * they want a person. Where the ticket can be read only every second one does: the gateway is not looked at for
   * somebody who has a person.
   */
  writesOn(people: readonly Person[]): void {
    for (const own of Map.groupBy(people, ({ channel }) => channel).values()) {
      const impatient = own.filter(({ channel }, index) => !LOGIN_CHANNELS.has(channel) || index % 2 === 1);
      for (const person of impatient) this.#afterThoughts.push(this.#writeOn(person));
    }
  }

  /** Posts everything that was planned. Resolves when each post has been taken or given up. */
  async run(): Promise<void> {
    this.#beganAt = systemClock.now().getTime();
    const startedAt = monotonicMs();
    const posts: Promise<void>[] = [];
    for (const post of this.#load.posts) {
      const waitMs = startedAt + post.atMs - monotonicMs();
      if (waitMs > 0) await pause(waitMs);
      this.#latenessMs.push(Math.max(0, monotonicMs() - startedAt - post.atMs));
      posts.push(this.#post(post));
    }
    await Promise.all(posts);
  }

  /** What was sent. Waits for those who wrote on, and sends nothing afterwards. */
  async finish(): Promise<Sent> {
    await Promise.all(this.#afterThoughts);
    await this.#agent.destroy();
    const questions = [...this.#questions.values()].map(({ id, channel, phone, saidAtMs }) => {
      // The provider tells whole seconds. Within one of them nobody can know what was said first.
      const saidAt = Math.floor((this.#beganAt + saidAtMs) / 1_000) * 1_000;
      return { id, channel, phone, saidAt, acceptedAt: this.#acceptedAt.get(id) };
    });
    const { webhookMs, latenessMs } = { webhookMs: this.#webhookMs, latenessMs: this.#latenessMs };
    return { questions, statuses: this.#statuses, webhookMs, latenessMs };
  }

  async #writeOn(person: Person): Promise<void> {
    for (const words of AFTER_THOUGHTS) {
      const id = `q-${this.#nextAfterThought}`;
      this.#nextAfterThought += 1;
      const saidAtMs = systemClock.now().getTime() - this.#beganAt;
      this.#questions.set(id, { ...person, id, text: `${id} ${words}`, saidAtMs });
      const isAnswered = this.#untilAnswering(id);
      await this.#post({ questionId: id });
      await isAnswered;
      await pause(AFTER_THOUGHT_MS);
    }
  }

  async #post({ questionId }: Pick<PlannedPost, 'questionId'>): Promise<void> {
    const question = this.#questions.get(questionId);
    const mailbox = this.#mailboxes.get(question?.channel ?? '');
    if (question === undefined || mailbox === undefined) throw new Error(`${questionId} has nowhere to go`);
    const body = this.#bodyOf(question, mailbox);
    const headers = webhookHeaders({ kind: 'hmac', secret: mailbox.secret }, body);
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
      const startedAt = monotonicMs();
      const { status, retryAfterMs } = await this.#attempt(mailbox.url, { body, headers });
      this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
      if (status >= 200 && status < 300) {
        this.#webhookMs.push(monotonicMs() - startedAt);
        // The first yes counts: from then on the message is the product's.
        if (!this.#acceptedAt.has(questionId)) this.#acceptedAt.set(questionId, systemClock.now().getTime());
        return;
      }
      if (status >= 400 && status < 500 && status !== 429) return;
      await pause(retryAfterMs ?? RETRY_AFTER_MS);
    }
  }

  #bodyOf(question: PlannedQuestion, mailbox: Mailbox): string {
    const { id, phone, text, saidAtMs } = question;
    const at = new Date(this.#beganAt + saidAtMs);
    const said = { type: 'said', kind: 'text', at, ticketId: 1, isFromUs: false } as const;
    return JSON.stringify(
      webhookBody(mailbox.shape, { ...said, id: providerIdOf(id), person: { phone, name: 'Ana' }, text }),
    );
  }

  async #attempt(
    url: string,
    { body, headers }: { body: string; headers: Record<string, string> },
  ): Promise<{ status: number; retryAfterMs: number | undefined }> {
    try {
      const answer = await request(url, {
        method: 'POST',
        headers,
        body,
        dispatcher: this.#agent,
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      await answer.body.dump();
      const seconds = Number(answer.headers['retry-after']);
      return { status: answer.statusCode, retryAfterMs: seconds > 0 ? seconds * 1_000 : undefined };
    } catch {
      return { status: 0, retryAfterMs: undefined };
    }
  }
}
