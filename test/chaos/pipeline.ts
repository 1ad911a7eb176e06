import { randomBytes } from 'node:crypto';
import { Pool } from 'pg';
import { z } from 'zod';
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

/** Each way to know, or not to know, what became of a send: by its echo, by a look into the ticket, by nothing. */
export const CHANNELS: readonly ChaosChannel[] = [
  { name: 'bakery-1', tenant: 'bakery', shape: 'W1', hasEcho: true, hasLogin: false, onUnknown: 'hand-over' },
  { name: 'bakery-2', tenant: 'bakery', shape: 'W4', hasEcho: false, hasLogin: false, onUnknown: 'resend' },
  { name: 'workshop-1', tenant: 'workshop', shape: 'W4', hasEcho: true, hasLogin: false, onUnknown: 'resend' },
  { name: 'workshop-2', tenant: 'workshop', shape: 'W1', hasEcho: false, hasLogin: false, onUnknown: 'hand-over' },
  { name: 'pharmacy-1', tenant: 'pharmacy', shape: 'W1', hasEcho: false, hasLogin: true, onUnknown: 'hand-over' },
  { name: 'pharmacy-2', tenant: 'pharmacy', shape: 'W1', hasEcho: false, hasLogin: true, onUnknown: 'resend' },
];
export const TENANTS: readonly string[] = [...new Set(CHANNELS.map((channel) => channel.tenant))];

/** Where the messages of a channel are posted. */
export interface Mailbox {
  readonly url: string;
  readonly secret: string;
  readonly shape: WebhookShape;
}

/** A gateway's address, and the login of the one user that it has. */
export const OpenGateway = z.object({ url: z.url(), email: z.string(), password: z.string() });
export type OpenGateway = z.infer<typeof OpenGateway>;

export const ModelAddress = z.object({ url: z.url() });

/** What a channel's two sides know each other by. */
export interface ChannelSecrets {
  readonly secret: string;
  readonly token: string;
}

export function newSecrets(): ChannelSecrets {
  return { secret: randomBytes(24).toString('hex'), token: randomBytes(16).toString('hex') };
}

/** Lets the gateway of the channel's tenant post to a pipeline, and tells where that is. */
export async function connectChannel(
  standIns: Program,
  { name: channel, tenant, shape, hasEcho }: ChaosChannel,
  { url, secret, token }: ChannelSecrets & { url: string },
): Promise<Mailbox> {
  await standIns.ask('connect', { tenant, channel, token, url, secret, shape, hasEcho }, z.unknown());
  return { url, secret, shape };
}

const QUERY_WITHIN_MS = 4_000;

/** Connections of the run itself. Faults cut these lines, too: whoever asks is told, and asks again. */
export function openOwnPool(connectionString: string): Pool {
  const pool = new Pool({
    connectionString,
    max: 4,
    connectionTimeoutMillis: QUERY_WITHIN_MS,
    query_timeout: QUERY_WITHIN_MS,
  });
  pool.on('error', () => undefined);
  return pool;
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
export type Told = Pick<
  History,
  'messages' | 'conversations' | 'turns' | 'bubbles' | 'handedToPerson' | 'leases' | 'stranded'
>;

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
