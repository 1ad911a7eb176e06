import type { GatewayProfile } from '../../vocabulary/gateway.ts';
import type { FailureCode } from '../../vocabulary/failures.ts';
import { firstText, objectIn } from './wire-values.ts';

export interface SendFields {
  /** Digits, or a WhatsApp id where the profile takes one. */
  readonly number: string;
  readonly text: string;
  readonly connectionId: string | undefined;
}

/** What tells one fork's `POST /api/messages/send` from another's. */
export interface Profile {
  readonly name: GatewayProfile;
  /** Whether `number` may be a WhatsApp id such as a LID. */
  readonly takesWhatsAppIds: boolean;
  readonly requestBody: (fields: SendFields) => Readonly<Record<string, string | number>>;
  /** Whether the body of a 2xx says that the message was taken. */
  readonly isSuccess: (body: unknown) => boolean;
  /** What only this fork means by an error; undefined leaves it to the rules for all. */
  readonly failureFrom: (status: number, errorText: string) => FailureCode | undefined;
  /**
   * Which of our sends a user finds again in the customer's ticket. `all`: also those to a number. `in-ticket`: only those
   * that were made in the ticket itself. `none`: it is not known how to look.
   */
  readonly readsBack: 'all' | 'in-ticket' | 'none';
}

/** The text behind which one line of forks hides every cause it does not name, a wrong number among them. */
const GENERIC_TEXT = /^N[aã]o foi poss[ií]vel enviar a mensagem/i;

/** What each fork expects and answers. */
export const PROFILES: Readonly<Record<GatewayProfile, Profile>> = {
  /**
   * The token is a value of the settings table, so the connection is named by number where it is not the default one.
   * Success is a 200 with an empty body. JSON always: multipart without files answers 200 and sends nothing.
   *
   * A send opens the ticket, marks it as read and is kept in it.
   *
   * Source: canove/whaticket-community, backend/src/controllers/ApiController.ts.
   */
  community: {
    name: 'community',
    takesWhatsAppIds: false,
    requestBody: ({ number, text, connectionId }) => {
      const whatsappId = Number(connectionId);
      return Number.isSafeInteger(whatsappId) && whatsappId > 0
        ? { number, body: text, whatsappId }
        : { number, body: text };
    },
    isSuccess: (body) => !isPage(body) && errorIn(body) === undefined,
    failureFrom: () => undefined,
    readsBack: 'all',
  },

  /**
   * The token belongs to the connection. Every failure but a bad token is a 400, and nearly all carry the same text:
   * "not on WhatsApp" cannot be told from a lost session, so it is retried within bounds. A send opens the ticket, marks it
   * as read and is kept in it.
   *
   * Source: launcherbr/whaticketsaas, backend/src/controllers/MessageController.ts; for 403, 429 and
   * ERR_MESSAGE_SEND_FAILED: Lukyanaraujo16/codatendechat-main, the same file.
   */
  launcherbr: {
    name: 'launcherbr',
    takesWhatsAppIds: false,
    requestBody: ({ number, text }) => ({ number, body: text }),
    isSuccess: (body) => firstText(objectIn(body)?.mensagem, objectIn(body)?.status) !== undefined,
    failureFrom: (status, errorText) =>
      status === 400 && (GENERIC_TEXT.test(errorText) || errorText === 'ERR_MESSAGE_SEND_FAILED')
        ? 'GATEWAY_SESSION_DOWN'
        : undefined,
    readsBack: 'all',
  },

  /**
   * Takes any WhatsApp id, and queues every message before it answers: an answer other than 2xx means nothing was queued,
   * even with the status 500 under which it hides a number that is not on WhatsApp. What is sent to a number is kept
   * outside of the ticket, where no call of the API shows it.
   *
   * Source: ticketz-oss/ticketz, backend/src/controllers/MessageController.ts, backend/src/helpers/SendMessage.ts.
   */
  ticketz: {
    name: 'ticketz',
    takesWhatsAppIds: true,
    requestBody: ({ number, text }) => ({ number, body: text }),
    isSuccess: (body) => firstText(objectIn(body)?.mensagem) !== undefined,
    failureFrom: (status, errorText) =>
      status === 500 && errorText === 'ERR_INTERNAL_ERROR' ? 'GATEWAY_SESSION_DOWN' : undefined,
    readsBack: 'in-ticket',
  },

  /**
   * Numbers are written as strings; `openTicket` "0" sends without opening a ticket for it. *Unverified*: known from
   * clients of these services alone, one of whose authors saw 200 for failures too.
   */
  hosted: {
    name: 'hosted',
    takesWhatsAppIds: false,
    requestBody: ({ number, text }) => ({ number, openTicket: '0', queueId: '0', body: text }),
    isSuccess: (body) => firstText(objectIn(body)?.mensagem) !== undefined && errorIn(body) === undefined,
    failureFrom: (status, errorText) =>
      status === 400 && GENERIC_TEXT.test(errorText) ? 'GATEWAY_SESSION_DOWN' : undefined,
    readsBack: 'none',
  },
};

/** What a fork says about its own failure. */
export function errorIn(body: unknown): string | undefined {
  const answer = objectIn(body);
  return firstText(answer?.error, objectIn(answer?.error)?.message);
}

/** A web page where an answer belongs: the panel's own host was given instead of the API's, or something stands between. */
export function isPage(body: unknown): boolean {
  return typeof body === 'string' && body.trimStart().startsWith('<');
}
