import * as units from '@grafana/grafana-foundation-sdk/units';
import { board } from './board.ts';
import type { Row } from './board.ts';
import { graph, heatmap, stack } from './panels.ts';
import { largest, perMinute, perSecond } from './queries.ts';

const PER_MINUTE = 'suffix: /min';
const CHOSEN = '{tenant=~"$tenant"}';

const volume: Row = {
  title: 'Who writes how much, and when',
  panels: [
    heatmap({
      title: 'Messages of customers, by tenant',
      unit: PER_MINUTE,
      shows:
        'One row for each tenant, the darker the more. Orange marks are campaigns, blue ones deploys. All tenants beyond fifty are `other`.',
      act: 'A dark cell under a campaign’s mark explains itself; without one ask the tenant what was sent out. A row that ends is a channel that has lost its connection.',
      alert: 'TenantBacklog',
      next: 'plantao-queues',
      step: '5m',
      queries: [{ expr: perMinute(`plantao_tenant_messages_total${CHOSEN}`, 'tenant'), legend: '{{tenant}}' }],
    }),
    stack({
      title: 'Messages of customers',
      unit: PER_MINUTE,
      shows: 'The same as lines, for comparing.',
      act: 'One tenant that takes most of it can use up the quota of the model for all; its limits are in its settings.',
      alert: 'TenantBacklog',
      next: 'plantao-model',
      queries: [{ expr: perMinute(`plantao_tenant_messages_total${CHOSEN}`, 'tenant'), legend: '{{tenant}}' }],
    }),
    stack({
      title: 'Replies',
      unit: PER_MINUTE,
      shows: 'Replies of the bot. A campaign’s customers get them as its messages come.',
      act: 'Messages without replies: the tenant has no knowledge, its people have taken over, or it is held up.',
      alert: 'TenantBacklog',
      next: 'plantao-conversations',
      queries: [{ expr: perMinute(`plantao_tenant_replies_total${CHOSEN}`, 'tenant'), legend: '{{tenant}}' }],
    }),
  ],
};

const waiting: Row = {
  title: 'Whose customers wait',
  panels: [
    graph({
      title: 'Oldest message without an end',
      unit: units.Seconds,
      shows: 'For each tenant, the age of its oldest message that nothing has settled.',
      act: 'One line alone: its channel, its settings or its campaign. All of them: the queues.',
      alert: 'TenantBacklog',
      next: 'plantao-queues',
      red: { above: 120 },
      queries: [{ expr: largest(`plantao_tenant_inbox_oldest_seconds${CHOSEN}`, 'tenant'), legend: '{{tenant}}' }],
    }),
    stack({
      title: 'Messages without an end',
      unit: units.Short,
      shows: 'How many messages of each tenant nothing has settled yet.',
      act: 'Deep and young is a burst. Deep and old is a backlog: read it with the ages beside.',
      alert: 'TenantBacklog',
      next: 'plantao-queues',
      queries: [{ expr: largest(`plantao_tenant_inbox_unprocessed${CHOSEN}`, 'tenant'), legend: '{{tenant}}' }],
    }),
    stack({
      title: 'Handoffs',
      unit: PER_MINUTE,
      shows: 'Conversations given to a person of the tenant.',
      act: 'Tell the tenant before its customers do. After a campaign it is usually a question that the knowledge does not answer.',
      alert: 'HandoffsWaiting',
      next: 'plantao-conversations',
      queries: [{ expr: perMinute(`plantao_tenant_handoffs_total${CHOSEN}`, 'tenant'), legend: '{{tenant}}' }],
    }),
    graph({
      title: 'Handoffs for each reply',
      unit: units.PercentUnit,
      shows: 'How many people are called for each reply of the bot.',
      act: 'Much higher than of the others: read a few conversations and write the article that is missing.',
      alert: 'HandoffsWaiting',
      next: 'plantao-conversations',
      queries: [
        {
          expr: `${perSecond(`plantao_tenant_handoffs_total${CHOSEN}`, 'tenant')} / (${perSecond(`plantao_tenant_replies_total${CHOSEN}`, 'tenant')} > 0)`,
          legend: '{{tenant}}',
        },
      ],
    }),
  ],
};

const trouble: Row = {
  title: 'Whose lines are broken',
  panels: [
    stack({
      title: 'Sends that failed',
      unit: PER_MINUTE,
      shows: 'Attempts to send that ended as retry, failed or unknown.',
      act: 'One tenant: its gateway, its phone or its token. All of them: our network.',
      alert: 'GatewayFailures',
      next: 'plantao-delivery',
      queries: [{ expr: perMinute(`plantao_tenant_send_failures_total${CHOSEN}`, 'tenant'), legend: '{{tenant}}' }],
    }),
    stack({
      title: 'Webhooks turned away',
      unit: PER_MINUTE,
      shows: 'Webhooks of a channel that we know which had no valid proof or were too many.',
      act: 'One tenant, and its messages have stopped: the secret of a channel is wrong. Messages go on: somebody guesses.',
      alert: 'WebhooksRejected',
      next: 'plantao-service',
      queries: [
        { expr: perMinute(`plantao_tenant_webhook_rejections_total${CHOSEN}`, 'tenant'), legend: '{{tenant}}' },
      ],
    }),
  ],
};

export const tenants = board({
  uid: 'plantao-tenants',
  title: 'tenants',
  asks: 'Which client company writes how much, whose customers wait, and was it a campaign?',
  rows: [volume, waiting, trouble],
  choice: { label: 'tenant', metric: 'plantao_tenant_messages_total' },
});
