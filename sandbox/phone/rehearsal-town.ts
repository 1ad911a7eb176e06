import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { DEMO_CUSTOMERS } from '../demo/customers.ts';
import { StandInTown } from './phone-town.ts';
import type { GatewayFault, ModelFault, PhoneLine, PhoneTownOptions } from './phone-town.ts';

type Said = Parameters<PhoneLine['customerWrites']>[0];
type WebhookAnswer = Awaited<ReturnType<PhoneLine['customerWrites']>>;

export const ACCEPTED: WebhookAnswer = { status: 200, body: { status: 'accepted' } };

/** A town whose webhook and bot say what a test tells them to, and nothing by themselves. */
export class RehearsalTown {
  readonly town: StandInTown;
  readonly said: readonly Said[];
  readonly warnings: readonly string[];
  readonly faults: { gateway: GatewayFault; model: ModelFault };
  readonly #stage: Stage;

  private constructor(town: StandInTown, stage: Stage) {
    this.town = town;
    this.#stage = stage;
    this.said = stage.said;
    this.warnings = stage.warnings;
    this.faults = stage.faults;
  }

  static async open(options: Partial<PhoneTownOptions> = {}): Promise<RehearsalTown> {
    const stage = new Stage();
    const town = await StandInTown.open({
      company: 'Padaria Pão da Vila',
      apiDocsUrl: 'http://127.0.0.1/api/v1/openapi.json',
      customers: DEMO_CUSTOMERS,
      line: { customerWrites: (said) => stage.customerWrites(said) },
      gateway: {
        onSent: (listener) => stage.onSent(listener),
        faults: { set: (fault) => (stage.faults.gateway = fault) },
      },
      model: { faults: { set: (fault) => (stage.faults.model = fault) } },
      historyFile: path.join(await stage.folder(), 'chats.json'),
      warn: (words) => stage.warnings.push(words),
      ...options,
    });
    return new RehearsalTown(town, stage);
  }

  /** What the webhook answers from now on; a promise lets it think. */
  webhookAnswers(answer: WebhookAnswer | Promise<WebhookAnswer>): void {
    this.#stage.answer = answer;
  }

  botSays(phone: string, text: string): void {
    for (const listener of this.#stage.listeners) listener({ phone, text });
  }

  async close(): Promise<void> {
    await this.town.close();
    await this.#stage.close();
  }
}

/** The scenery: a line and a gateway that only remember. */
class Stage {
  readonly said: Said[] = [];
  readonly warnings: string[] = [];
  readonly listeners = new Set<(sent: { phone: string; text: string }) => void>();
  readonly faults: { gateway: GatewayFault; model: ModelFault } = {
    gateway: { mode: 'none' },
    model: { mode: 'none' },
  };
  answer: WebhookAnswer | Promise<WebhookAnswer> = ACCEPTED;
  #folder: string | undefined;

  async folder(): Promise<string> {
    this.#folder ??= await mkdtemp(path.join(os.tmpdir(), 'plantao-phone-'));
    return this.#folder;
  }

  async customerWrites(said: Said): Promise<WebhookAnswer> {
    this.said.push(said);
    return await this.answer;
  }

  onSent(listener: (sent: { phone: string; text: string }) => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  async close(): Promise<void> {
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Where a server that listens on loopback is found. */
export function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server does not listen on a port');
  return address.port;
}
