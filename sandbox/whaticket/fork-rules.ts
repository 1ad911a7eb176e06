import type { GatewayProfile } from '../../src/vocabulary/gateway.ts';

/** What a fork answers: a status and a body, or a status and nothing. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
}

/** How one fork's `POST /api/messages/send` behaves. */
export interface ForkRules {
  readonly noToken: Answer;
  readonly wrongToken: Answer;
  /** What is wrong with a number before WhatsApp is asked about it. */
  readonly numberError: (number: unknown) => Answer | undefined;
  readonly notOnWhatsApp: Answer;
  readonly sessionDown: Answer;
  /** The text did not survive the template engine. */
  readonly sendFailed: Answer;
  /** How often the text goes through the template engine. */
  readonly renderings: 0 | 1 | 2;
  /** Whether a send to a number is kept in the customer's ticket, which it marks as read. */
  readonly keepsSendsInTicket: boolean;
  /** Whether looking at a ticket marks it as read; else only where the look asks for it. */
  readonly marksReadByLooking: boolean;
  readonly accepted: Answer;
}

function error(status: number, text: string): Answer {
  return { status, body: { error: text } };
}

export const INTERNAL_ERROR = error(500, 'Internal server error');
export const SESSION_EXPIRED = error(401, 'ERR_SESSION_EXPIRED');
export const INVALID_TOKEN = error(403, "Invalid token. We'll try to assign a new one on next request");
export const INVALID_CREDENTIALS = error(401, 'ERR_INVALID_CREDENTIALS');
export const NO_TICKET = error(404, 'ERR_NO_TICKET_FOUND');
export const THROTTLED = error(429, 'ERR_RATE_LIMIT_EXCEEDED');

const NOT_ALLOWED = error(401, 'Acesso não permitido');
const NOT_INITIALIZED = error(400, 'ERR_WAPP_NOT_INITIALIZED');
const GENERIC = error(400, 'Não foi possível enviar a mensagem, tente novamente em alguns instantes');
const TICKETZ_INTERNAL = error(500, 'ERR_INTERNAL_ERROR');

/** Source: launcherbr/whaticketsaas, backend/src/controllers/MessageController.ts and middleware/tokenAuth.ts. */
const LAUNCHERBR: ForkRules = {
  noToken: NOT_ALLOWED,
  wrongToken: NOT_ALLOWED,
  numberError: (number) => (typeof number === 'string' && /\d/.test(number) ? undefined : GENERIC),
  notOnWhatsApp: GENERIC,
  sessionDown: NOT_INITIALIZED,
  sendFailed: GENERIC,
  renderings: 2,
  keepsSendsInTicket: true,
  marksReadByLooking: true,
  accepted: { status: 200, body: { mensagem: 'Mensagem enviada' } },
};

export const FORK_RULES: Readonly<Record<GatewayProfile, ForkRules>> = {
  /** Source: canove/whaticket-community, backend/src/controllers/ApiController.ts and middleware/isAuthApi.ts. */
  community: {
    noToken: SESSION_EXPIRED,
    wrongToken: INVALID_TOKEN,
    numberError: (number) => {
      if (typeof number !== 'string') return INTERNAL_ERROR;
      const stripped = number.replace('-', '').replace(' ', '');
      return /^\d+$/.test(stripped) ? undefined : error(400, 'Invalid number format. Only numbers is allowed.');
    },
    notOnWhatsApp: error(400, 'ERR_WAPP_INVALID_CONTACT'),
    sessionDown: NOT_INITIALIZED,
    sendFailed: error(400, 'ERR_SENDING_WAPP_MSG'),
    renderings: 1,
    keepsSendsInTicket: true,
    marksReadByLooking: true,
    accepted: { status: 200 },
  },
  launcherbr: LAUNCHERBR,
  /** Source: ticketz-oss/ticketz, backend/src/controllers/MessageController.ts and middleware/isAuth.ts. */
  ticketz: {
    ...LAUNCHERBR,
    numberError: (number) => {
      if (number === undefined || number === '') return error(400, 'ERR_SYNTAX');
      return typeof number === 'string' ? undefined : TICKETZ_INTERNAL;
    },
    notOnWhatsApp: TICKETZ_INTERNAL,
    sendFailed: TICKETZ_INTERNAL,
    renderings: 0,
    keepsSendsInTicket: false,
    marksReadByLooking: false,
    accepted: { status: 200, body: { mensagem: 'Message added to queue' } },
  },
  /** Known from clients of these services alone. */
  hosted: {
    ...LAUNCHERBR,
    accepted: { status: 200, body: { mensagem: 'Mensagem enviada SEM TICKET', ticket: null } },
  },
};
