import { z } from 'zod';
import { GATEWAY_PROFILES } from '../../vocabulary/gateway.ts';
import { ChannelId, TenantId } from '../../vocabulary/ids.ts';
import { instant, NO_BODY, NOTHING, page, PageQuery, TenantParams, text } from './fields.ts';
import { operation, TENANT_ADMIN, TENANT_VIEWER } from './operation.ts';

const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
/** A Standard Webhooks secret: what follows the prefix is base64. */
const BASE64_SECRET = /^whsec_[A-Za-z0-9+/]+={0,2}$/;
const WEBHOOK_KINDS = ['hmac', 'bearer', 'url-secret'] as const;
const UNKNOWN_POLICIES = ['hand-over', 'resend'] as const;

const ChannelParams = TenantParams.extend({ channelId: ChannelId });

export const Channel = z.object({
  id: ChannelId,
  tenantId: TenantId,
  name: z.string(),
  kind: z.literal('whaticket'),
  webhookUrl: z.string().describe('Where the gateway posts. With `url-secret` it ends in a slash and the secret.'),
  gateway: z.object({
    profile: z.enum(GATEWAY_PROFILES),
    baseUrl: z.string(),
    connectionId: z.string().nullable(),
  }),
  webhook: z.object({ auth: z.enum(WEBHOOK_KINDS), header: z.string().nullable() }),
  onUnknown: z.enum(UNKNOWN_POLICIES),
  handoff: z.object({
    queueId: z.int().nullable(),
    userId: z.int().nullable(),
    queues: z.record(z.string(), z.int()),
    botQueueId: z.int().nullable(),
    notPeople: z.array(z.int()),
  }),
  createdAt: instant,
  updatedAt: instant,
});

export type Channel = z.infer<typeof Channel>;

/** Answered to whoever may see the channel, so it must not carry a password or a token. */
const BaseUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .max(2_000)
  .refine((url) => {
    const parsed = URL.parse(url);
    return parsed !== null && [parsed.username, parsed.password, parsed.search, parsed.hash].every((it) => it === '');
  }, 'must have no user, password, query or fragment')
  .transform((url) => url.replace(/\/+$/, ''));

const Credential = text(4_000);

const WebhookSecrets = z
  .array(
    z
      .string()
      .min(16)
      .max(256)
      .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces')
      .refine(
        (secret) => !secret.startsWith('whsec_') || BASE64_SECRET.test(secret),
        'must be base64 after the prefix whsec_',
      ),
  )
  .min(1)
  .max(10)
  .describe('All that are valid now. For a rotation: the new and the old one, then the new one alone.');

const QUEUES_MAX = 50;
const NOT_PEOPLE_MAX = 50;

const Destinations = z
  .strictObject({
    queueId: z.int32().positive().optional().describe('The queue into which a ticket goes when a person is called.'),
    userId: z.int32().positive().optional().describe('The user who gets it instead of whoever is in the queue.'),
    queues: z
      .record(
        z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be lower case letters, digits and hyphens'),
        z.int32().positive(),
      )
      .refine((queues) => Object.keys(queues).length <= QUEUES_MAX, `must have at most ${QUEUES_MAX} names`)
      .optional()
      .describe("Queues by the logical names that the tenant's rules use."),
    botQueueId: z
      .int32()
      .positive()
      .optional()
      .describe('The queue in which the bot works. A ticket that a person moves there is given back to it.'),
    notPeople: z
      .array(z.int32().positive())
      .max(NOT_PEOPLE_MAX)
      .optional()
      .describe('Users of the gateway who are programs. A ticket that is theirs says nothing about who answers.'),
  })
  .describe(
    "Ids are the gateway's own. The gateway is asked as the user of `email` and `password`; hosted forks need none.",
  );

const NewChannel = z.strictObject({
  name: text(200),
  kind: z.literal('whaticket'),
  gateway: z
    .strictObject({
      profile: z.enum(GATEWAY_PROFILES),
      baseUrl: BaseUrl,
      token: Credential,
      email: text(320).optional(),
      password: Credential.optional(),
      connectionId: z
        .union([text(100), z.int().nonnegative()])
        .transform(String)
        .optional(),
    })
    .refine(
      (gateway) => (gateway.email === undefined) === (gateway.password === undefined),
      'email and password come together',
    ),
  webhook: z
    .strictObject({
      auth: z.enum(WEBHOOK_KINDS),
      header: z.string().max(100).regex(HEADER_NAME, 'must be the name of a header').optional(),
      secrets: WebhookSecrets,
    })
    .refine((webhook) => webhook.auth !== 'url-secret' || webhook.header === undefined, {
      path: ['header'],
      error: 'has no meaning with url-secret',
    }),
  onUnknown: z.enum(UNKNOWN_POLICIES).optional(),
  handoff: Destinations.optional(),
});

const NewCredentials = z.strictObject({
  gateway: z
    .strictObject({ token: Credential.optional(), email: text(320).optional(), password: Credential.optional() })
    .optional(),
  webhook: z.strictObject({ secrets: WebhookSecrets }).optional(),
  handoff: Destinations.optional().describe('Replaces all of it.'),
});
export type NewCredentials = z.output<typeof NewCredentials>;

export const createChannel = operation({
  id: 'createChannel',
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/channels',
  summary: 'Connect a gateway.',
  description: 'Tokens, passwords and secrets are sealed at rest and never answered.',
  access: TENANT_ADMIN,
  params: TenantParams,
  query: NOTHING,
  body: NewChannel,
  status: 201,
  answer: Channel,
  failures: [],
});

export const listChannels = operation({
  id: 'listChannels',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/channels',
  summary: 'The channels of a tenant, newest first.',
  access: TENANT_VIEWER,
  params: TenantParams,
  query: PageQuery,
  body: NO_BODY,
  status: 200,
  answer: page(Channel),
  failures: ['CURSOR_NOT_VALID'],
});

export const getChannel = operation({
  id: 'getChannel',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/channels/{channelId}',
  summary: 'One channel.',
  access: TENANT_VIEWER,
  params: ChannelParams,
  query: NOTHING,
  body: NO_BODY,
  status: 200,
  answer: Channel,
  failures: [],
});

export const rotateCredentials = operation({
  id: 'rotateCredentials',
  method: 'patch',
  path: '/api/v1/tenants/{tenantId}/channels/{channelId}',
  summary: 'Replace credentials of a channel, or where its tickets go; what is not named stays.',
  description:
    'Every process follows within five seconds. Send the old webhook secret along until the gateway has the new one. A new token may be sent before the gateway has it: the one before is tried when it is refused.',
  access: TENANT_ADMIN,
  params: ChannelParams,
  query: NOTHING,
  body: NewCredentials,
  status: 200,
  answer: Channel,
  failures: [],
});
