import type { Program } from '../../bench/program.ts';
import type { WebhookShape } from '../../sandbox/whaticket/webhook-signing.ts';
import type { History, HistoryChannel, Received, Takeover } from './history.ts';
import type { KeptProcess } from './kept-process.ts';
import type { Servers } from './servers.ts';

/** A channel of a run: what the gateway posts for it, and what is known about its sends. */
export interface ChaosChannel extends HistoryChannel {
  readonly tenant: string;
  readonly shape: WebhookShape;
}

/** Two tenants, and each way to know, or not to know, what became of a send. */
export const CHANNELS: readonly ChaosChannel[] = [
  { name: 'bakery-1', tenant: 'bakery', shape: 'W1', hasEcho: true, onUnknown: 'hand-over' },
  { name: 'bakery-2', tenant: 'bakery', shape: 'W4', hasEcho: false, onUnknown: 'resend' },
  { name: 'workshop-1', tenant: 'workshop', shape: 'W4', hasEcho: true, onUnknown: 'resend' },
  { name: 'workshop-2', tenant: 'workshop', shape: 'W1', hasEcho: false, onUnknown: 'hand-over' },
];
export const TENANTS: readonly string[] = [...new Set(CHANNELS.map((channel) => channel.tenant))];

/** Where the messages of a channel are posted. */
export interface Mailbox {
  readonly url: string;
  readonly secret: string;
  readonly shape: WebhookShape;
}

/** The id under which a question travels: the provider's. */
export function providerIdOf(questionId: string): string {
  return `3EB0${questionId}`;
}

export interface PipelineParts {
  readonly servers: Servers;
  readonly standIns: Program;
  readonly workers: number;
}

/** A pipeline's own account of a run. */
export type Told = Pick<History, 'messages' | 'conversations' | 'turns' | 'bubbles' | 'handedToPerson'>;

/** What is put to the test: from the webhooks of a gateway to its sends, on a PostgreSQL and a Redis, with a model. */
export interface Pipeline {
  readonly mailboxes: ReadonlyMap<string, Mailbox>;
  readonly service: KeptProcess;
  readonly workers: readonly KeptProcess[];
  /** A person takes the conversation of this message over. Undefined when it could not be had in time. */
  takeOver(questionId: string): Promise<Takeover | undefined>;
  /** Whether nothing is left to do. Never rejects. */
  isQuiet(): Promise<boolean>;
  /** What the pipeline itself says has happened. */
  tell(received: readonly Received[]): Promise<Told>;
  close(): Promise<void>;
}
