import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MailStandIn } from '../../sandbox/notifications/mail-stand-in.ts';
import { PagerDutyStandIn } from '../../sandbox/notifications/pagerduty-stand-in.ts';
import { SlackStandIn } from '../../sandbox/notifications/slack-stand-in.ts';
import { WebhookReceiver } from '../../sandbox/notifications/webhook-receiver.ts';
import { BAKERY_ARTICLES } from '../support/articles.ts';
import { Town } from '../support/town.ts';
import type { Customer, TownTenant } from '../support/town-people.ts';
import { until } from '../support/until.ts';

let slack: SlackStandIn;
let pagerDuty: PagerDutyStandIn;
let mail: MailStandIn;
let receiver: WebhookReceiver;
let town: Town;
let bakery: TownTenant;
let ana: Customer;

beforeEach(async () => {
  [slack, pagerDuty, mail, receiver] = await Promise.all([
    SlackStandIn.start(),
    PagerDutyStandIn.start(),
    MailStandIn.start(),
    WebhookReceiver.start(),
  ]);
  town = await Town.start({
    environment: {
      PAGERDUTY_EVENTS_URL: pagerDuty.url,
      SMTP_URL: mail.url,
      MAIL_FROM: 'Plantão <plantao@plantao.example>',
      PUBLIC_URL: 'https://plantao.example',
    },
  });
  bakery = await town.tenant({ articles: BAKERY_ARTICLES });
  ana = bakery.customer('Ana', '5511988880001');
  for (const to of [
    { kind: 'slack', url: slack.webhookUrl },
    { kind: 'pagerduty', routingKey: pagerDuty.routingKey },
    { kind: 'email', addresses: ['bruno@bakery.example'] },
    { kind: 'webhook', url: `${receiver.url}/plantao`, secret: receiver.secret },
  ]) {
    const made = await bakery.api('POST', '/notification-targets', { body: { name: 'Equipe', to } });
    expect(made.status).toBe(201);
  }
});

afterEach(async () => {
  await town.close();
  await Promise.all([slack.close(), pagerDuty.close(), mail.close(), receiver.close()]);
});

describe('Ana, who asks for a person', () => {
  it('is told of to everybody who wants to know, without her words, until Bruno comes', async () => {
    await ana.writes('Quero falar com um atendente, meu bolo chegou amassado');
    await until(() => slack.shown.length > 0 && mail.mails.length > 0 && receiver.taken.size > 0);
    await until(() => pagerDuty.incidents.length > 0);
    const ringing = pagerDuty.incidents.map(({ state }) => state);
    const { id } = await ana.conversation();

    await bakery.api('POST', `/conversations/${id}/takeover`, { body: {} });
    await until(() => pagerDuty.incidents.every(({ state }) => state === 'resolved'));

    const said = JSON.stringify([
      slack.shown,
      mail.mails,
      [...receiver.taken],
      pagerDuty.posts.map(({ body }) => body),
    ]);
    expect(ringing).toEqual(['triggered']);
    expect([slack.shown.length, mail.mails.length, receiver.taken.size]).toEqual([1, 1, 1]);
    expect(slack.shown[0]).toContain('o cliente pediu uma pessoa');
    expect(slack.shown[0]).toContain(
      `https://plantao.example/api/v1/tenants/${bakery.id}/conversations/${id}/messages`,
    );
    expect(said).not.toContain('amassado');
    expect(said).not.toContain('5511988880001');
  });
});
