import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';
import type { Mode } from './mode.ts';

export interface ReceivedMail {
  readonly to: readonly string[];
  /** As it came over the wire. */
  readonly raw: string;
}

const USER = 'plantao';
const PASSWORD = 'senha-do-correio';

/** A mail server that wants a login, greylists (451) when throttled, and refuses for good (550) when told to. */
export class MailStandIn {
  mode: Mode = 'none';
  readonly mails: ReceivedMail[] = [];
  readonly #server: SMTPServer;

  private constructor() {
    this.#server = new SMTPServer({
      logger: false,
      // Its own certificate is nobody's; what is shown here is the conversation, not the encryption.
      hideSTARTTLS: true,
      disabledCommands: ['STARTTLS'],
      allowInsecureAuth: true,
      authMethods: ['PLAIN', 'LOGIN'],
      onAuth: (auth, _session, done) => {
        const isKnown = auth.username === USER && auth.password === PASSWORD;
        if (isKnown) done(null, { user: USER });
        else done(smtpError(535, 'Authentication credentials invalid'));
      },
      onRcptTo: (_address, _session, done) => {
        if (this.mode === 'silent') return;
        if (this.mode === 'throttled') done(smtpError(451, 'Greylisted, please try again later'));
        else if (this.mode === 'refused' || this.mode === 'gone') done(smtpError(550, 'No such user here'));
        else if (this.mode === 'server-error') done(smtpError(421, 'Service not available'));
        else done();
      },
      onData: (stream, session, done) => {
        void text(stream).then((raw) => {
          this.mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), raw });
          done();
        });
      },
    });
    this.#server.on('error', () => {
      // A client that goes away in the middle is what some tests are about.
    });
  }

  static async start(): Promise<MailStandIn> {
    const mail = new MailStandIn();
    await once(mail.#server.listen(0, '127.0.0.1'), 'listening');
    return mail;
  }

  /** With a login that it knows. */
  get url(): string {
    return this.urlFor(PASSWORD);
  }

  urlFor(password: string): string {
    return `smtp://${USER}:${password}@127.0.0.1:${(this.#server.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const connection of this.#server.connections) connection.close();
    await new Promise<void>((resolve) => {
      this.#server.close(resolve);
    });
  }
}

function smtpError(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode });
}
