import { RequestNotValid } from '../../platform/problem.ts';
import { seal, unseal } from '../../platform/crypto.ts';
import { SealedCredentials } from '../../tenants/tenants.ts';
import type { TenantKeys } from '../../tenants/tenants.ts';
import { Failure } from '../../vocabulary/failures.ts';
import type { ChannelId, TenantId } from '../../vocabulary/ids.ts';
import type { Tx } from '../../vocabulary/schema.ts';
import { Channel, createChannel, getChannel, listChannels, rotateCredentials } from '../contract/channels.ts';
import type { NewCredentials } from '../contract/channels.ts';
import type { PanelNeeds } from '../needs.ts';
import { exactTime, olderThan, pageOf, rowsFor } from '../pages.ts';
import { tenantRoute } from '../route.ts';
import type { Route } from '../route.ts';

export function channelRoutes(needs: PanelNeeds): readonly Route[] {
  return [
    tenantRoute(createChannel, async ({ tenantId, body, inTenant, publicUrl }) => {
      const { profile, baseUrl, connectionId, ...credentials } = body.gateway;
      const { auth, ...webhook } = body.webhook;
      await openKeys(needs, tenantId);
      return await inTenant(async (tx) => {
        const { id } = await needs.channels.create(tx, tenantId, {
          ...body,
          profile,
          baseUrl,
          connectionId,
          credentials,
          webhook: { kind: auth, ...webhook },
        });
        return await channelAnswer(tx, id, publicUrl);
      });
    }),
    tenantRoute(listChannels, async ({ tenantId, query: { cursor, limit }, inTenant, publicUrl }) => {
      const rows = await inTenant((tx) =>
        openColumns(tx)
          .where('tenant_id', '=', tenantId)
          .where(olderThan(cursor, 'created_at', 'id'))
          .orderBy('created_at', 'desc')
          .orderBy('id', 'desc')
          .limit(rowsFor(limit))
          .execute(),
      );
      return pageOf(rows, {
        limit,
        placeOf: ({ at, id }) => ({ at, id }),
        itemOf: (row) => answerFromRow(row, publicUrl),
      });
    }),
    tenantRoute(getChannel, async ({ params, inTenant, publicUrl }) =>
      inTenant((tx) => channelAnswer(tx, params.channelId, publicUrl)),
    ),
    tenantRoute(rotateCredentials, async ({ tenantId, params, body, inTenant, publicUrl }) => {
      const keys = await openKeys(needs, tenantId);
      return await inTenant(async (tx) => {
        await rotate(tx, { id: params.channelId, tenantId, keys }, body);
        return await channelAnswer(tx, params.channelId, publicUrl);
      });
    }),
  ];
}

/** Before the transaction: opening them inside it could wait for a second connection while holding the first. */
async function openKeys(needs: PanelNeeds, tenantId: TenantId): Promise<TenantKeys> {
  return await needs.tenants.keysOf(tenantId);
}

/** A channel without its sealed columns: what is not read cannot be answered by mistake. */
function openColumns(tx: Tx) {
  return tx
    .selectFrom('channel')
    .select([
      'id',
      'tenant_id',
      'name',
      'kind',
      'gateway_profile',
      'gateway_base_url',
      'gateway_connection_id',
      'webhook_auth',
      'webhook_header',
      'on_unknown',
      'handoff_queue_id',
      'handoff_user_id',
      'handoff_queues',
      'bot_queue_id',
      'handoff_not_people',
      'created_at',
      'updated_at',
    ])
    .select(exactTime('created_at').as('at'));
}

type OpenChannelRow = Awaited<ReturnType<ReturnType<typeof openColumns>['execute']>>[number];

async function channelAnswer(tx: Tx, id: ChannelId, publicUrl: string): Promise<Channel> {
  const row = await openColumns(tx).where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw new Failure('NOT_FOUND', { channelId: id });
  return answerFromRow(row, publicUrl);
}

function answerFromRow(row: OpenChannelRow, publicUrl: string): Channel {
  return Channel.parse({
    id: row.id,
    tenantId: row.tenant_id,
    name: row.name,
    kind: row.kind,
    webhookUrl: `${publicUrl}/webhooks/whaticket/${row.id}`,
    gateway: {
      profile: row.gateway_profile,
      baseUrl: row.gateway_base_url,
      connectionId: row.gateway_connection_id,
    },
    webhook: { auth: row.webhook_auth, header: row.webhook_header },
    onUnknown: row.on_unknown,
    handoff: {
      queueId: row.handoff_queue_id,
      userId: row.handoff_user_id,
      queues: row.handoff_queues,
      botQueueId: row.bot_queue_id,
      notPeople: row.handoff_not_people,
    },
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  });
}

interface RotatedChannel {
  readonly id: ChannelId;
  readonly tenantId: TenantId;
  readonly keys: TenantKeys;
}

async function rotate(tx: Tx, channel: RotatedChannel, change: NewCredentials): Promise<void> {
  const row = await tx
    .selectFrom('channel')
    .select('sealed_credentials')
    .where('id', '=', channel.id)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (row === undefined) throw new Failure('NOT_FOUND', { channelId: channel.id });
  const { sealing } = channel.keys;
  const place = (column: string) => ({ tenantId: channel.tenantId, table: 'channel', column, rowId: channel.id });
  const sealed = (column: string, value: unknown) => seal(sealing, JSON.stringify(value), place(column));
  const opened = unseal([sealing], row.sealed_credentials, place('sealed_credentials')).toString();
  const credentials = rotated(SealedCredentials.parse(JSON.parse(opened)), change.gateway);
  if ((credentials.email === undefined) !== (credentials.password === undefined)) {
    throw new RequestNotValid(['body.gateway: email and password come together']);
  }
  await tx
    .updateTable('channel')
    .set({
      sealed_credentials: sealed('sealed_credentials', credentials),
      ...(change.webhook === undefined
        ? {}
        : { sealed_webhook_secrets: sealed('sealed_webhook_secrets', change.webhook.secrets) }),
      ...(change.handoff === undefined ? {} : destinationColumns(change.handoff)),
      updated_at: new Date(),
    })
    .where('id', '=', channel.id)
    .execute();
}

function destinationColumns({
  queueId,
  userId,
  queues,
  botQueueId,
  notPeople,
}: NonNullable<NewCredentials['handoff']>) {
  return {
    handoff_queue_id: queueId ?? null,
    handoff_user_id: userId ?? null,
    handoff_queues: JSON.stringify(queues ?? {}),
    bot_queue_id: botQueueId ?? null,
    handoff_not_people: [...(notPeople ?? [])],
  };
}

/** A token that is replaced is kept for as long as the gateway may still want it: until the next change. */
function rotated(before: SealedCredentials, change: NewCredentials['gateway'] = {}): SealedCredentials {
  const isNew = change.token !== undefined && change.token !== before.token;
  return {
    ...before,
    ...change,
    token: change.token ?? before.token,
    ...(isNew ? { previousToken: before.token } : {}),
  };
}
