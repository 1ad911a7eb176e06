import { z } from 'zod';
import { QuietHours } from '../../handoff/notification-target.ts';
import { FAILURES } from '../../vocabulary/failures.ts';
import type { FailureCode } from '../../vocabulary/failures.ts';
import { NotificationTargetId, TenantId } from '../../vocabulary/ids.ts';
import { NOTIFICATION_KINDS, TARGET_KINDS } from '../../vocabulary/notification.ts';
import { instant, NO_ANSWER, NO_BODY, NOTHING, TenantParams, text } from './fields.ts';
import { operation, TENANT_ADMIN, TENANT_VIEWER } from './operation.ts';

const TargetParams = TenantParams.extend({ targetId: NotificationTargetId });

/** Each one is told of every handoff; more people are reached by a channel or a list. */
export const TARGETS_MAX = 20;
const ADDRESSES_MAX = 20;
/** Standard Webhooks: between 24 and 64 bytes. */
const SECRET_BYTES = { min: 24, max: 64 };

const Address = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .max(2_000)
  .refine((url) => {
    const parsed = URL.parse(url);
    return parsed !== null && [parsed.username, parsed.password, parsed.hash].every((it) => it === '');
  }, 'must have no user, password or fragment');

const Secret = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]+={0,2}$/, 'must be base64 after the prefix whsec_')
  .refine((secret) => {
    const { length } = Buffer.from(secret.slice('whsec_'.length), 'base64');
    return length >= SECRET_BYTES.min && length <= SECRET_BYTES.max;
  }, `must have ${SECRET_BYTES.min} to ${SECRET_BYTES.max} bytes`);

const To = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('slack'), url: Address.describe('An incoming webhook.') }),
    z.strictObject({
      kind: z.literal('pagerduty'),
      routingKey: z
        .string()
        .regex(/^[A-Za-z0-9]{32}$/, 'must be the 32 characters of an integration key of the Events API v2'),
    }),
    z.strictObject({ kind: z.literal('email'), addresses: z.array(z.email().max(320)).min(1).max(ADDRESSES_MAX) }),
    z.strictObject({
      kind: z.literal('webhook'),
      url: Address,
      secret: Secret.describe('Signs each notice as Standard Webhooks say.'),
    }),
  ])
  .describe('Where it goes. Sealed at rest and never answered.');
export type To = z.output<typeof To>;

const Wants = z
  .array(z.enum(NOTIFICATION_KINDS))
  .min(1)
  .max(NOTIFICATION_KINDS.length)
  .refine((kinds) => new Set(kinds).size === kinds.length, 'must name each kind once');

const changeable = {
  name: text(200),
  wants: Wants,
  quietHours: QuietHours.nullable().describe(
    'Local times of the tenant. What comes then is told when they end, unless it has lost its meaning. Null: none.',
  ),
  urgentPasses: z.boolean().describe('Whether a breach of priority `urgent` is told in quiet hours too.'),
  includeExcerpt: z
    .boolean()
    .describe("For a webhook: whether it gets what a person is told, customer's words included."),
  isPaused: z.boolean().describe('Nothing new is noted for it meanwhile.'),
};

export const NotificationTarget = z.object({
  id: NotificationTargetId,
  tenantId: TenantId,
  kind: z.enum(TARGET_KINDS),
  shownAs: z.string().describe('Enough of the address to know it again.'),
  ...changeable,
  createdAt: instant,
  updatedAt: instant,
});
export type NotificationTarget = z.infer<typeof NotificationTarget>;

const NewTarget = z
  .strictObject({
    to: To,
    name: changeable.name,
    wants: Wants.default(['handoff', 'sla-warning', 'sla-breach']),
    quietHours: changeable.quietHours.default(null),
    urgentPasses: changeable.urgentPasses.default(false),
    includeExcerpt: changeable.includeExcerpt.default(false),
    isPaused: changeable.isPaused.default(false),
  })
  .refine((target) => target.to.kind === 'webhook' || !target.includeExcerpt, {
    path: ['includeExcerpt'],
    error: 'is for webhooks only',
  });
export type NewTarget = z.output<typeof NewTarget>;

const TargetChange = z.strictObject({
  to: To.optional(),
  name: changeable.name.optional(),
  wants: changeable.wants.optional(),
  quietHours: changeable.quietHours.optional(),
  urgentPasses: changeable.urgentPasses.optional(),
  includeExcerpt: changeable.includeExcerpt.optional(),
  isPaused: changeable.isPaused.optional(),
});
export type TargetChange = z.output<typeof TargetChange>;

const CODES = Object.keys(FAILURES) as [FailureCode, ...FailureCode[]];

export const createNotificationTarget = operation({
  id: 'createNotificationTarget',
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/notification-targets',
  summary: 'Tell people somewhere when a person is needed.',
  description: `At most ${TARGETS_MAX} for each tenant. Addresses, keys and secrets are sealed at rest and never answered.`,
  access: TENANT_ADMIN,
  params: TenantParams,
  query: NOTHING,
  body: NewTarget,
  status: 201,
  answer: NotificationTarget,
  failures: [],
});

export const listNotificationTargets = operation({
  id: 'listNotificationTargets',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/notification-targets',
  summary: 'Whom the tenant tells, newest first. All of them: there are few.',
  access: TENANT_VIEWER,
  params: TenantParams,
  query: NOTHING,
  body: NO_BODY,
  status: 200,
  answer: z.object({ items: z.array(NotificationTarget) }),
  failures: [],
});

export const changeNotificationTarget = operation({
  id: 'changeNotificationTarget',
  method: 'patch',
  path: '/api/v1/tenants/{tenantId}/notification-targets/{targetId}',
  summary: 'Change a target; what is not named stays.',
  description: 'A new address must be of the same kind. Notices that wait already go to the new one.',
  access: TENANT_ADMIN,
  params: TargetParams,
  query: NOTHING,
  body: TargetChange,
  status: 200,
  answer: NotificationTarget,
  failures: [],
});

export const deleteNotificationTarget = operation({
  id: 'deleteNotificationTarget',
  method: 'delete',
  path: '/api/v1/tenants/{tenantId}/notification-targets/{targetId}',
  summary: 'Forget a target, and what was still to be told there.',
  description:
    'Alarms that still ring there are ended first, within fifteen seconds. It is forgotten also when they cannot be; the log says how many are left.',
  access: TENANT_ADMIN,
  params: TargetParams,
  query: NOTHING,
  body: NO_BODY,
  status: 204,
  answer: NO_ANSWER,
  failures: [],
});

export const testNotificationTarget = operation({
  id: 'testNotificationTarget',
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/notification-targets/{targetId}/test',
  summary: 'Tell the target something harmless now, and say what happened.',
  description:
    'Quiet hours do not count. One try, of at most 15 seconds; ten a minute for a tenant. An alarm of PagerDuty is ended at once.',
  access: TENANT_ADMIN,
  params: TargetParams,
  query: NOTHING,
  body: NOTHING,
  status: 200,
  answer: z.object({
    outcome: z.enum(['sent', 'failed']),
    failure: z.enum(CODES).nullable().describe('What went wrong: a code of the table of errors.'),
  }),
  failures: [],
});
