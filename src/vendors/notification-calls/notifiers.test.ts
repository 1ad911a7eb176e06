import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MailStandIn } from '../../../sandbox/notifications/mail-stand-in.ts';
import {
  describeNotifierContract,
  noticeFor,
  RETRY_AFTER_MS,
} from '../../../sandbox/notifications/notifier-contract.ts';
import type { NotifierTown } from '../../../sandbox/notifications/notifier-contract.ts';
import { PagerDutyStandIn } from '../../../sandbox/notifications/pagerduty-stand-in.ts';
import { SlackStandIn } from '../../../sandbox/notifications/slack-stand-in.ts';
import { WebhookReceiver } from '../../../sandbox/notifications/webhook-receiver.ts';
import { createHttpClient } from '../../platform/http-client.ts';
import { Secret } from '../../platform/secret.ts';
import type { AddressOf, Notifier } from '../../vocabulary/notification.ts';
import { sendToPagerDuty } from '../pagerduty/pagerduty-client.ts';
import { postSigned } from '../signed-webhook/signed-webhook-client.ts';
import { postToSlack } from '../slack/slack-client.ts';
import { sendMail } from '../smtp/smtp-client.ts';
import type { MailServer } from '../smtp/smtp-client.ts';

const limits = { responseBytesMax: 65_536, connectionsMax: 4 };
const patient = createHttpClient({ ...limits, privateHosts: ['127.0.0.1'], timeoutMs: 10_000 });
const hurried = createHttpClient({ ...limits, privateHosts: ['127.0.0.1'], timeoutMs: 500 });
/** As in an installation that names no private hosts. */
const careful = createHttpClient({ ...limits, privateHosts: [], timeoutMs: 10_000 });
const never = new AbortController().signal;
const slackAddress = (url: string): AddressOf<'slack'> => ({ kind: 'slack', url: Secret.of(url) });

/** The contract hands each vendor its own address back. */
function only(tell: Notifier['tell']): Notifier {
  return { tell };
}

describeNotifierContract({
  name: 'Slack',
  asksMs: RETRY_AFTER_MS,
  fails: {
    throttled: 'NOTIFICATION_THROTTLED',
    refused: 'NOTIFICATION_REFUSED',
    gone: 'NOTIFICATION_REFUSED',
    'server-error': 'NOTIFICATION_NOT_TAKEN',
  },
  start: async (): Promise<NotifierTown> => {
    const slack = await SlackStandIn.start();
    const address = slackAddress(slack.webhookUrl);
    const by = (http: typeof patient) => only((_to, notice, signal) => postToSlack(http, { address, notice }, signal));
    return {
      address,
      secret: 'segredo-do-canal',
      notifier: by(patient),
      hasty: by(hurried),
      behave: (mode) => {
        slack.mode = mode;
      },
      told: () => slack.shown,
      close: () => slack.close(),
    };
  },
});

describeNotifierContract({
  name: 'PagerDuty',
  asksMs: 60_000,
  fails: {
    throttled: 'NOTIFICATION_THROTTLED',
    refused: 'NOTIFICATION_REFUSED',
    gone: 'NOTIFICATION_REFUSED',
    'server-error': 'NOTIFICATION_NOT_TAKEN',
  },
  start: async (): Promise<NotifierTown> => {
    const pagerDuty = await PagerDutyStandIn.start();
    const address = { kind: 'pagerduty', routingKey: Secret.of(pagerDuty.routingKey) } as const;
    const by = (http: typeof patient) =>
      only((_to, notice, signal) => sendToPagerDuty({ http, baseUrl: pagerDuty.url }, { address, notice }, signal));
    return {
      address,
      secret: pagerDuty.routingKey,
      notifier: by(patient),
      hasty: by(hurried),
      behave: (mode) => {
        pagerDuty.mode = mode;
      },
      told: () => pagerDuty.incidents.map(({ summary }) => summary),
      close: () => pagerDuty.close(),
    };
  },
});

describeNotifierContract({
  name: 'signed webhook',
  asksMs: RETRY_AFTER_MS,
  fails: {
    throttled: 'NOTIFICATION_THROTTLED',
    refused: 'NOTIFICATION_NOT_TAKEN',
    gone: 'NOTIFICATION_REFUSED',
    'server-error': 'NOTIFICATION_NOT_TAKEN',
  },
  start: async (): Promise<NotifierTown> => {
    const receiver = await WebhookReceiver.start();
    const address = webhookAddress(receiver);
    const by = (http: typeof patient) => only((_to, notice, signal) => postSigned(http, { address, notice }, signal));
    return {
      address,
      secret: receiver.secret,
      notifier: by(patient),
      hasty: by(hurried),
      behave: (mode) => {
        receiver.mode = mode;
      },
      told: () => [...receiver.taken.keys()],
      close: () => receiver.close(),
    };
  },
});

describeNotifierContract({
  name: 'mail',
  asksMs: undefined,
  fails: {
    throttled: 'NOTIFICATION_NOT_TAKEN',
    refused: 'NOTIFICATION_REFUSED',
    gone: 'NOTIFICATION_REFUSED',
    'server-error': 'NOTIFICATION_NOT_TAKEN',
  },
  start: async (): Promise<NotifierTown> => {
    const mail = await MailStandIn.start();
    const address = { kind: 'email', addresses: ['bruno@example.com'] } as const;
    const by = (timeoutMs: number) =>
      only((_to, notice, signal) => sendMail({ ...serverOf(mail), timeoutMs }, { address, notice }, signal));
    return {
      address,
      secret: 'senha-do-correio',
      notifier: by(10_000),
      hasty: by(500),
      behave: (mode) => {
        mail.mode = mode;
      },
      told: () => mail.mails.map(({ raw }) => raw),
      close: () => mail.close(),
    };
  },
});

describe('Slack', () => {
  let slack: SlackStandIn;
  beforeAll(async () => {
    slack = await SlackStandIn.start();
  });
  afterAll(() => slack.close());

  it('mentions nobody because of what somebody was named', async () => {
    const notice = noticeFor({ title: '<!channel> & <https://evil.example|Pão>', lines: ['<@U1>'], link: undefined });

    await postToSlack(patient, { address: slackAddress(slack.webhookUrl), notice }, never);

    expect(slack.shown.at(-1)).toBe('*&lt;!channel&gt; &amp; &lt;https://evil.example|Pão&gt;*\n&lt;@U1&gt;');
  });

  it('is not a way into the private network: nothing is even sent there', async () => {
    const before = slack.posts.length;
    const told = postToSlack(careful, { address: slackAddress(slack.webhookUrl), notice: noticeFor() }, never);

    await expect(told).rejects.toMatchObject({ code: 'NOTIFICATION_NOT_TAKEN' });
    expect(slack.posts.length).toBe(before);
  });
});

describe('an alarm of PagerDuty', () => {
  it('rings once however often it is told, and stops when its end is told', async () => {
    const pagerDuty = await PagerDutyStandIn.start();
    const address = { kind: 'pagerduty', routingKey: Secret.of(pagerDuty.routingKey) } as const;
    const to = { http: patient, baseUrl: pagerDuty.url };
    try {
      for (const notice of [noticeFor(), noticeFor(), noticeFor({ action: 'resolve' })]) {
        await sendToPagerDuty(to, { address, notice }, never);
      }

      expect(pagerDuty.incidents).toMatchObject([{ dedupKey: 'plantao-handoff:7', state: 'resolved' }]);
    } finally {
      await pagerDuty.close();
    }
  });
});

describe('a signed webhook', () => {
  it('has the same id at every try, and is refused with another secret', async () => {
    const receiver = await WebhookReceiver.start();
    const address = webhookAddress(receiver);
    const wrong = { ...address, secret: Secret.of(`whsec_${Buffer.alloc(32, 6).toString('base64')}`) };
    try {
      await postSigned(patient, { address, notice: noticeFor() }, never);
      await postSigned(patient, { address, notice: noticeFor() }, never);
      const refused = postSigned(patient, { address: wrong, notice: noticeFor({ id: 'another' }) }, never);

      await expect(refused).rejects.toMatchObject({ code: 'NOTIFICATION_NOT_TAKEN' });
      expect([...receiver.taken]).toMatchObject([
        [
          noticeFor().id,
          { type: 'plantao.handoff', timestamp: '2026-11-21T12:00:00.000Z', data: { conversationId: '2' } },
        ],
      ]);
    } finally {
      await receiver.close();
    }
  });
});

describe('a mail', () => {
  it('is plain text with one id, and no line of it becomes a header', async () => {
    const mail = await MailStandIn.start();
    const address = { kind: 'email', addresses: ['bruno@example.com', 'carla@example.com'] } as const;
    const notice = noticeFor({ title: 'Pão\r\nBcc: evil@example.com', lines: ['<b>Motivo</b>'] });
    try {
      await sendMail(serverOf(mail), { address, notice }, never);
      const [{ to, raw } = { to: [], raw: '' }] = mail.mails;
      const head = raw.slice(0, raw.indexOf('\r\n\r\n'));

      expect(to).toEqual(['bruno@example.com', 'carla@example.com']);
      expect(head).toMatch(new RegExp(`^Message-ID: <${notice.id}@plantao\\.example>$`, 'm'));
      expect(head).toMatch(/^Content-Type: text\/plain/m);
      expect(head).not.toMatch(/^Bcc:/m);
      expect(raw).toContain('<b>Motivo</b>');
    } finally {
      await mail.close();
    }
  });

  it('whose server does not know us says that, not that the mail was bad', async () => {
    const mail = await MailStandIn.start();
    const server = { url: Secret.of(mail.urlFor('errada')), from: 'plantao@plantao.example' };
    const address = { kind: 'email', addresses: ['bruno@example.com'] } as const;
    try {
      await expect(sendMail(server, { address, notice: noticeFor() }, never)).rejects.toMatchObject({
        code: 'NOTIFICATION_CREDENTIALS_REFUSED',
      });
    } finally {
      await mail.close();
    }
  });
});

function serverOf(mail: MailStandIn): MailServer {
  return { url: Secret.of(mail.url), from: 'Plantão <plantao@plantao.example>' };
}

function webhookAddress(receiver: WebhookReceiver): AddressOf<'webhook'> {
  return { kind: 'webhook', url: Secret.of(`${receiver.url}/plantao`), secret: Secret.of(receiver.secret) };
}
