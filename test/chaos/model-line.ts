import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { request } from 'undici';
import { z } from 'zod';
import { pause, systemClock } from '../../src/platform/time.ts';
import type { AskedDraft } from './history.ts';
import { questionIdsIn } from './load.ts';

type Draft = { -readonly [Key in keyof AskedDraft]: AskedDraft[Key] };

const Asked = z.object({
  contents: z.array(z.object({ role: z.string().optional(), parts: z.array(z.object({ text: z.string() })) })),
});

/** How much longer a draft takes that somebody waits for, to do something meanwhile. Less than the model's time limit. */
const HELD_MS = 1_500;

interface WaitFor {
  readonly worker: string;
  readonly withinMs: number;
}

/** A draft that somebody waits for. */
interface AwaitedDraft {
  readonly isMeant: (draft: Draft) => boolean;
  readonly found: () => void;
  readonly heldMs: number;
}

/**
 * The line between the workers and the model: it notes who asks for which draft, and when that ends.
 *
 * Each worker has a key of its own, by which it is known. A worker and its quarantine share theirs.
 */
export class ModelLine {
  readonly drafts: AskedDraft[] = [];
  readonly #server: http.Server;
  readonly #model: string;
  readonly #awaited = new Set<AwaitedDraft>();
  readonly #open = new Set<Draft>();

  private constructor(model: string) {
    this.#model = model;
    this.#server = http.createServer((req, res) => {
      this.#pass(req, res).catch(() => {
        res.destroy();
      });
    });
  }

  static async start(model: string): Promise<ModelLine> {
    const line = new ModelLine(model);
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    return line;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when the worker asks for a draft, which is then held for a while, with whether it did in time. */
  async untilAskedBy({ worker, withinMs }: WaitFor): Promise<boolean> {
    return await this.#until(withinMs, (draft) => draft.worker === worker);
  }

  /**
   * Resolves when another worker asks for a draft that this one has in hand at the beginning, with whether one did in time.
   * That draft is held for a while, too: long enough for whatever the first worker may still do.
   */
  async untilReplaced({ worker, withinMs }: WaitFor): Promise<boolean> {
    const inHand = new Set([...this.#open].filter((it) => it.worker === worker).flatMap((it) => it.questionIds));
    const isMeant = (draft: Draft): boolean =>
      draft.worker !== worker && draft.questionIds.some((id) => inHand.has(id));
    return await this.#until(withinMs, isMeant);
  }

  /** Resolves when somebody asks for a draft that answers this question, with whether it was in time. */
  async untilAnswering({ questionId, withinMs }: { questionId: string; withinMs: number }): Promise<boolean> {
    return await this.#until(withinMs, (draft) => draft.questionIds.includes(questionId), 0);
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #until(withinMs: number, isMeant: AwaitedDraft['isMeant'], heldMs = HELD_MS): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const found = resolve.bind(undefined, true);
    const awaited = { isMeant, found, heldMs };
    this.#awaited.add(awaited);
    const over = setTimeout(resolve, withinMs, false);
    const isFound = await promise;
    clearTimeout(over);
    this.#awaited.delete(awaited);
    return isFound;
  }

  async #pass(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    const body = await readText(req);
    const closed = new AbortController();
    const draft: Draft = {
      worker: String(req.headers['x-goog-api-key']),
      questionIds: questionIdsIn(lastWordsOf(body)),
      beganAt: systemClock.now().getTime(),
      endedAt: undefined,
    };
    this.drafts.push(draft);
    this.#open.add(draft);
    res.once('close', () => {
      draft.endedAt = systemClock.now().getTime();
      this.#open.delete(draft);
      closed.abort();
    });
    const awaited = [...this.#awaited].filter(({ isMeant }) => isMeant(draft));
    for (const { found } of awaited) found();
    await pause(Math.max(0, ...awaited.map(({ heldMs }) => heldMs)), closed.signal);
    const answer = await request(`${this.#model}${req.url ?? '/'}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-goog-api-key': draft.worker },
      body,
      signal: closed.signal,
    });
    const type = answer.headers['content-type'];
    res.writeHead(answer.statusCode, typeof type === 'string' ? { 'content-type': type } : {});
    res.end(await answer.body.text());
  }
}

function lastWordsOf(body: string): string {
  const { contents } = Asked.parse(JSON.parse(body));
  const last = contents.findLast(({ role }) => role !== 'model');
  return (last?.parts ?? []).map(({ text }) => text).join('\n');
}
