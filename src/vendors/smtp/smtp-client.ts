import { createTransport } from 'nodemailer';
import type { Secret } from '../../platform/secret.ts';
import { deadlineSignal } from '../../platform/time.ts';
import { Failure } from '../../vocabulary/failures.ts';
import type { AddressOf, Notice } from '../../vocabulary/notification.ts';

export interface MailServer {
  /** `smtp://user:password@host:port`, or `smtps://…`. Read anew for each mail, so that a rotated password is taken up. */
  readonly url: Secret;
  /** Who writes: an address, or a name with an address in angle brackets. */
  readonly from: string;
  /** For one whole mail; a quarter of a minute unless told. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 15_000;
/** RFC 5322 wants lines of 998 characters at most; a mailbox shows far less. */
const SUBJECT_CHARACTERS_MAX = 200;

/**
 * Mails a notice as plain text. The `Message-ID` is the same at every try, so that a mailbox can tell the second from
 * another one.
 *
 * A 4xx of the server may pass (greylisting, RFC 6647); a 5xx will not (RFC 5321, 4.2.1). Taken by one of the recipients is
 * taken: the others' mailboxes are told of by the server itself.
 */
export async function sendMail(
  server: MailServer,
  { address, notice }: { readonly address: AddressOf<'email'>; readonly notice: Notice },
  signal: AbortSignal,
): Promise<void> {
  const { timeoutMs = TIMEOUT_MS } = server;
  const transport = createTransport({
    url: server.url.reveal(),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const deadline = deadlineSignal(timeoutMs, signal);
  const given = Promise.withResolvers<never>();
  const giveUp = (): void => {
    transport.close();
    given.reject(new Failure('NOTIFICATION_NOT_TAKEN', { error: 'ETIMEDOUT' }));
  };
  deadline.addEventListener('abort', giveUp, { once: true });
  try {
    signal.throwIfAborted();
    await Promise.race([given.promise, transport.sendMail(mailOf(server.from, address.addresses, notice))]);
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof Failure ? error : failureFrom(error);
  } finally {
    deadline.removeEventListener('abort', giveUp);
    transport.close();
  }
}

function mailOf(from: string, addresses: readonly string[], notice: Notice) {
  return {
    from,
    to: addresses.map((address) => ({ name: '', address })),
    subject: oneLine(notice.title).slice(0, SUBJECT_CHARACTERS_MAX),
    text: [...notice.lines, ...(notice.link === undefined ? [] : ['', notice.link])].join('\n'),
    messageId: `<${notice.id}@${domainOf(from)}>`,
    date: notice.happenedAt,
    headers: {
      // No automatic answers, please. Source: RFC 3834, section 5.
      'Auto-Submitted': 'auto-generated',
      'X-Plantao-Kind': notice.kind,
    },
  };
}

/** A line's end would begin another header. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').trim();
}

function domainOf(from: string): string {
  return /@([A-Za-z0-9.-]+)>?$/.exec(from.trim())?.[1] ?? 'localhost';
}

/** Source: nodemailer.com/errors, and RFC 5321, 4.2.1 and RFC 4954, section 6 for the numbers. */
function failureFrom(error: unknown): Failure {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const status = responseCodeOf(error);
  const detail = { error: code, status };
  // What the server says may hold an address; its number says enough.
  const cause = new Error(code ?? 'The mail could not be sent');
  if (status !== undefined && status >= 400 && status < 500) {
    return new Failure('NOTIFICATION_NOT_TAKEN', detail, { cause });
  }
  if (code === 'EAUTH' || code === 'ENOAUTH') {
    return new Failure('NOTIFICATION_CREDENTIALS_REFUSED', detail, { cause });
  }
  const isClearNo = status !== undefined && status >= 500;
  return new Failure(isClearNo ? 'NOTIFICATION_REFUSED' : 'NOTIFICATION_NOT_TAKEN', detail, { cause });
}

function responseCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('responseCode' in error)) return undefined;
  return typeof error.responseCode === 'number' ? error.responseCode : undefined;
}
