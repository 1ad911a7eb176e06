import { createHash, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { monotonicMs, systemClock } from '../../src/platform/time.ts';
import type { Clock } from '../../src/platform/time.ts';
import { canonicalAddress } from '../../src/vocabulary/message.ts';
import { ChatHistory } from './chat-history.ts';
import type { Warn } from './chat-history.ts';
import type { Activity, CustomerMessage, PhoneMessage } from './phone-message.ts';
import type { Fault, NewPhoneMessage, PhoneCustomer, PhoneEvent, PhoneTown, SendOutcome } from './phone-page.ts';

/** One connection of the gateway: what a customer writes goes through it to the webhook. */
export interface PhoneLine {
  customerWrites(said: {
    phone: string;
    name: string;
    kind: CustomerMessage['kind'];
    text?: string;
    providerMessageId: string;
  }): Promise<{ readonly status: number; readonly body: unknown }>;
}

/** What the town needs of the gateway stand-in. */
export interface PhoneGateway {
  onSent(listener: (sent: { readonly phone: string; readonly text: string }) => void): () => void;
  readonly faults: { set(fault: GatewayFault): void };
}

/** What the town needs of the model stand-in. */
export interface PhoneModel {
  readonly faults: { set(fault: ModelFault): void };
}

export interface GatewayFault {
  readonly mode: 'none' | 'off' | 'drop-after-accepting';
}

export interface ModelFault {
  readonly mode: 'none' | 'slow' | '429' | 'down';
  readonly delayMs?: number;
}

export interface PhoneTownOptions {
  readonly company: string;
  readonly apiDocsUrl: string;
  readonly customers: readonly PhoneCustomer[];
  readonly line: PhoneLine;
  readonly gateway: PhoneGateway;
  readonly model: PhoneModel;
  /** Where the chats are kept; its folder must be there. */
  readonly historyFile: string;
  readonly clock?: Clock;
  /** How long "typing" is believed without a reply. */
  readonly patienceMs?: number;
  /** How long a message waits for the webhook's answer. */
  readonly sendTimeoutMs?: number;
  /** Hears of what went wrong and was survived; the console unless told. */
  readonly warn?: Warn;
}

const PATIENCE_MS = 90_000;
const SEND_TIMEOUT_MS = 10_000;

/** Slow enough to be felt, and under the time that a model call has. */
const SLOW_MODEL_DELAY_MS = 12_000;

/** How each fault is made: exactly one part breaks, the other is whole. */
const FAULT_SETTINGS: Readonly<Record<Fault, { gateway: GatewayFault; model: ModelFault }>> = {
  none: { gateway: { mode: 'none' }, model: { mode: 'none' } },
  'gateway-down': { gateway: { mode: 'off' }, model: { mode: 'none' } },
  'gateway-drops': { gateway: { mode: 'drop-after-accepting' }, model: { mode: 'none' } },
  'model-slow': { gateway: { mode: 'none' }, model: { mode: 'slow', delayMs: SLOW_MODEL_DELAY_MS } },
  'model-429': { gateway: { mode: 'none' }, model: { mode: '429' } },
  'model-offline': { gateway: { mode: 'none' }, model: { mode: 'down' } },
};

/** The webhook's answer, as far as it decides about ticks. */
const WebhookAnswer = z.object({ status: z.enum(['accepted', 'duplicate']) });

/** The phones of a few customers who share one line to the bot, on top of the gateway and model stand-ins. */
export class StandInTown implements PhoneTown {
  readonly company: string;
  readonly apiDocsUrl: string;
  readonly customers: readonly PhoneCustomer[];
  readonly #options: PhoneTownOptions;
  readonly #clock: Clock;
  readonly #warn: Warn;
  readonly #history: ChatHistory;
  readonly #listeners = new Set<(event: PhoneEvent) => void>();
  readonly #activities = new Map<string, Activity>();
  readonly #patience = new Map<string, NodeJS.Timeout>();
  readonly #sending = new Map<string, Promise<SendOutcome>>();
  /** Ends each wait for the webhook that is under way. */
  readonly #giveUps = new Set<() => void>();
  readonly #stopListening: () => void;
  #fault: Fault = 'none';

  private constructor(options: PhoneTownOptions, history: ChatHistory) {
    this.#options = options;
    this.company = options.company;
    this.apiDocsUrl = options.apiDocsUrl;
    this.customers = options.customers;
    this.#clock = options.clock ?? systemClock;
    this.#warn = options.warn ?? console.warn;
    this.#history = history;
    this.#stopListening = options.gateway.onSent(({ phone, text }) => {
      this.#receive(phone, text);
    });
  }

  static async open(options: PhoneTownOptions): Promise<StandInTown> {
    return new StandInTown(options, await ChatHistory.open(options.historyFile, options.warn ?? console.warn));
  }

  history(customerId: string): readonly PhoneMessage[] {
    return this.#history.of(customerId);
  }

  activity(customerId: string): Activity {
    return this.#activities.get(customerId) ?? 'idle';
  }

  fault(): Fault {
    return this.#fault;
  }

  setFault(fault: Fault): void {
    const settings = FAULT_SETTINGS[fault];
    this.#options.gateway.faults.set(settings.gateway);
    this.#options.model.faults.set(settings.model);
    this.#fault = fault;
    this.#tell({ type: 'faults', fault });
  }

  onEvent(listener: (event: PhoneEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Safe to repeat: a message on its way is waited for, one that arrived is not sent again, one that was refused is. */
  async send(customerId: string, message: NewPhoneMessage): Promise<SendOutcome> {
    const customer = this.customers.find((each) => each.id === customerId);
    if (customer === undefined) throw new Error('There is no such customer');
    const key = `${customerId} ${message.id}`;
    const earlier = this.#sending.get(key) ?? this.#arrived(customerId, message.id);
    if (earlier !== undefined) return earlier;

    const outcome = this.#deliver(customer, message).finally(() => this.#sending.delete(key));
    this.#sending.set(key, outcome);
    return outcome;
  }

  /** Gives up what is being sent, ends the typing, and resolves when the chats are in their file. */
  async close(): Promise<void> {
    this.#stopListening();
    for (const giveUp of this.#giveUps) giveUp();
    await Promise.allSettled(this.#sending.values());
    for (const patience of this.#patience.values()) clearTimeout(patience);
    await this.#history.close();
  }

  #arrived(customerId: string, messageId: string): SendOutcome | undefined {
    const message = this.history(customerId).find((each) => each.id === messageId);
    if (message?.from !== 'customer' || message.ticks === 'refused') return undefined;
    return { accepted: true, milliseconds: message.acceptedMs ?? 0 };
  }

  async #deliver(customer: PhoneCustomer, { id, kind, text }: NewPhoneMessage): Promise<SendOutcome> {
    const at = this.#clock.now().toISOString();
    const message: CustomerMessage = { id, from: 'customer', kind, text, at, ticks: 'sending' };
    this.#history.add(customer.id, message);
    this.#tell({ type: 'message', customerId: customer.id, message });

    const startedMs = monotonicMs();
    const answer = await this.#post({
      phone: customer.phone,
      name: customer.name,
      kind,
      providerMessageId: providerIdOf(id),
      ...(kind === 'text' ? { text } : {}),
    });
    const milliseconds = Math.round(monotonicMs() - startedMs);
    if (answer === undefined || answer.status >= 300) {
      this.#tick(customer.id, { ...message, ticks: 'refused' });
      return { accepted: false, milliseconds };
    }

    const accepted: CustomerMessage = { ...message, ticks: 'accepted', acceptedMs: milliseconds };
    this.#tick(customer.id, accepted);
    if (WebhookAnswer.safeParse(answer.body).success) {
      this.#tick(customer.id, { ...accepted, ticks: 'delivered' });
      this.#setActivity(customer.id, 'typing');
    }
    return { accepted: true, milliseconds };
  }

  /** The webhook's answer, or undefined when there was none in time. */
  async #post(
    said: Parameters<PhoneLine['customerWrites']>[0],
  ): Promise<{ status: number; body: unknown } | undefined> {
    const { promise: noAnswer, resolve } = Promise.withResolvers<undefined>();
    const giveUp = (): void => {
      resolve(undefined);
    };
    const timer = setTimeout(giveUp, this.#options.sendTimeoutMs ?? SEND_TIMEOUT_MS);
    this.#giveUps.add(giveUp);
    try {
      return await Promise.race([this.#options.line.customerWrites(said), noAnswer]);
    } catch (error) {
      this.#warn('A message from a phone did not reach the webhook', error);
      return undefined;
    } finally {
      clearTimeout(timer);
      this.#giveUps.delete(giveUp);
    }
  }

  /** A reply answers everything that was waiting: the bot reads a burst as one question. */
  #receive(phone: string, text: string): void {
    const customer = this.customers.find((each) => isSamePhone(each.phone, phone));
    if (customer === undefined) return;
    const now = this.#clock.now();
    for (const waiting of this.history(customer.id)) {
      if (waiting.from !== 'customer' || (waiting.ticks !== 'accepted' && waiting.ticks !== 'delivered')) continue;
      this.#tick(customer.id, {
        ...waiting,
        ticks: 'answered',
        answeredMs: now.getTime() - Date.parse(waiting.at),
      });
    }
    const message: PhoneMessage = { id: randomUUID(), from: 'company', text, at: now.toISOString() };
    this.#history.add(customer.id, message);
    this.#setActivity(customer.id, 'idle');
    this.#tell({ type: 'message', customerId: customer.id, message });
  }

  #tick(customerId: string, message: CustomerMessage): void {
    this.#history.replace(customerId, message);
    const { id: messageId, ticks, acceptedMs, answeredMs } = message;
    this.#tell({ type: 'ticks', customerId, messageId, ticks, acceptedMs, answeredMs });
  }

  #setActivity(customerId: string, activity: Activity): void {
    clearTimeout(this.#patience.get(customerId));
    this.#activities.set(customerId, activity);
    if (activity === 'typing') {
      const lose = (): void => {
        this.#setActivity(customerId, 'overdue');
      };
      this.#patience.set(customerId, setTimeout(lose, this.#options.patienceMs ?? PATIENCE_MS));
    }
    this.#tell({ type: 'typing', customerId, activity });
  }

  #tell(event: PhoneEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

/** The same for every attempt, so that a service that did hear the first one recognises the second. */
function providerIdOf(messageId: string): string {
  return `3EB0${createHash('sha256').update(messageId).digest('hex').slice(0, 18).toUpperCase()}`;
}

function isSamePhone(one: string, other: string): boolean {
  return canonicalAddress({ kind: 'phone', value: one }) === canonicalAddress({ kind: 'phone', value: other });
}
