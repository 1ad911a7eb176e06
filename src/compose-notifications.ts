import type { Base } from './composition.ts';
import type { NotificationConfig } from './config.ts';
import { GuardedNotifier } from './handoff/notification-guard.ts';
import { NotificationRunner } from './handoff/notification-runner.ts';
import type { NotificationNeeds } from './handoff/notification-runner.ts';
import { createHttpClient } from './platform/http-client.ts';
import { recordDeadLetter } from './recovery/dead-letters.ts';
import { sendToPagerDuty } from './vendors/pagerduty/pagerduty-client.ts';
import { postSigned } from './vendors/signed-webhook/signed-webhook-client.ts';
import { postToSlack } from './vendors/slack/slack-client.ts';
import { sendMail } from './vendors/smtp/smtp-client.ts';
import { Failure } from './vocabulary/failures.ts';
import type { Notifier } from './vocabulary/notification.ts';

/** Nobody waits for a notice as for an answer, and a server that takes ten seconds to say yes is ill. */
const NOTICES_HTTP = { timeoutMs: 10_000, responseBytesMax: 65_536, connectionsMax: 16 };

/** Everything by which people can be told, as one. */
export function createNotifier(config: NotificationConfig): Notifier {
  const http = createHttpClient({ ...NOTICES_HTTP, privateHosts: config.outboundPrivateHosts });
  const { mail, pagerDutyUrl } = config.notifications;
  return {
    tell: async (address, notice, signal) => {
      switch (address.kind) {
        case 'slack':
          await postToSlack(http, { address, notice }, signal);
          return;
        case 'pagerduty':
          await sendToPagerDuty({ http, baseUrl: pagerDutyUrl }, { address, notice }, signal);
          return;
        case 'webhook':
          await postSigned(http, { address, notice }, signal);
          return;
        case 'email':
          if (mail === undefined) throw new Failure('MAIL_NOT_CONFIGURED');
          await sendMail(mail, { address, notice }, signal);
      }
    },
  };
}

/** Tells people what was noted for them. */
export function openNotifications(
  config: NotificationConfig,
  base: Base,
  excerptOf: NotificationNeeds['excerptOf'],
): NotificationRunner {
  const { db, tenants, closing, log } = base;
  const notifier = closing.keep('notifier', new GuardedNotifier(createNotifier(config), log), (it) => {
    it.close();
  });
  const runner = new NotificationRunner({
    db,
    notifier,
    tenantOf: (id) => tenants.get(id),
    keysOf: (id) => tenants.keysOf(id),
    excerptOf,
    recordDeadLetter: (tx, { notificationId, ...letter }) =>
      recordDeadLetter(tx, { ...letter, stage: 'notification', subjectId: notificationId }, log),
    publicUrl: config.publicUrl,
    log,
  });
  closing.keep('notifications', runner, (it) => it.close());
  runner.start();
  return runner;
}
