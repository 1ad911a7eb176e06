import { Client } from 'pg';
import { z } from 'zod';
import { DEMO_ARTICLES } from '../sandbox/demo/articles.ts';
import { DEMO_COMPANY } from '../sandbox/demo/company.ts';
import { pause } from '../src/platform/time.ts';
import type { LocalState } from './state.ts';

export interface Demo {
  readonly tenantId: string;
  readonly channelId: string;
  readonly gatewayToken: string;
  readonly webhookSecret: string;
  untilKnowledgeIsReady(): Promise<void>;
}

interface DemoOptions {
  readonly api: string;
  readonly adminApiKey: string;
  readonly databaseUrl: string;
  readonly gatewayUrl: string;
  readonly state: LocalState;
}

const KNOWLEDGE_WITHIN_MS = 30_000;

const WithId = z.object({ id: z.string() });
const Page = z.object({ items: z.array(z.looseObject({ id: z.string() })), nextCursor: z.string().nullable() });
const Documents = z.object({ items: z.array(z.object({ state: z.string() })) });

/** The demo company, made through the API like any other. A second start finds it and makes nothing. */
export async function makeDemo(options: DemoOptions): Promise<Demo> {
  const { state } = options;
  const tenantId =
    (await findTenant(options)) ?? WithId.parse(await call(options, 'POST /api/v1/tenants', DEMO_COMPANY)).id;
  const tenant = `/api/v1/tenants/${tenantId}`;
  const channels = Page.parse(await call(options, `GET ${tenant}/channels`));
  const channelId = channels.items[0]?.id ?? (await createChannel(options, tenant));
  await moveGateway(options, channelId);
  const documents = Page.parse(await call(options, `GET ${tenant}/knowledge/documents?limit=1`));
  if (documents.items.length === 0) {
    for (const article of DEMO_ARTICLES) await call(options, `POST ${tenant}/knowledge/documents`, article);
  }
  return {
    tenantId,
    channelId,
    gatewayToken: state.gatewayToken,
    webhookSecret: state.webhookSecret,
    untilKnowledgeIsReady: async () => {
      const giveUp = AbortSignal.timeout(KNOWLEDGE_WITHIN_MS);
      for (;;) {
        const { items } = Documents.parse(await call(options, `GET ${tenant}/knowledge/documents?limit=100`));
        if (items.every((document) => document.state === 'ready' || document.state === 'failed')) return;
        if (giveUp.aborted) throw new Error('the demo articles were not indexed; see .plantao/logs/worker.log');
        await pause(50);
      }
    },
  };
}

async function findTenant(options: DemoOptions): Promise<string | undefined> {
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page: z.infer<typeof Page> = Page.parse(await call(options, `GET /api/v1/tenants?limit=100${query}`));
    const found = page.items.find((tenant) => tenant.slug === DEMO_COMPANY.slug);
    if (found !== undefined) return found.id;
    cursor = page.nextCursor;
  } while (cursor !== null);
  return undefined;
}

async function createChannel(options: DemoOptions, tenant: string): Promise<string> {
  const channel = await call(options, `POST ${tenant}/channels`, {
    name: 'WhatsApp da demonstração',
    kind: 'whaticket',
    gateway: { profile: 'launcherbr', baseUrl: options.gatewayUrl, token: options.state.gatewayToken },
    webhook: { auth: 'hmac', secrets: [options.state.webhookSecret] },
  });
  return WithId.parse(channel).id;
}

/** The sandbox has another port at every start. A real gateway has an address, and the API does not let it wander. */
async function moveGateway(options: DemoOptions, channelId: string): Promise<void> {
  const client = new Client({ connectionString: options.databaseUrl });
  await client.connect();
  try {
    await client.query('update channel set gateway_base_url = $1 where id = $2', [options.gatewayUrl, channelId]);
  } finally {
    await client.end();
  }
}

async function call(options: DemoOptions, request: `${'GET' | 'POST'} ${string}`, body?: unknown): Promise<unknown> {
  const [method = '', path = ''] = request.split(' ');
  const response = await fetch(`${options.api}${path}`, {
    method,
    headers: { authorization: `Bearer ${options.adminApiKey}`, 'content-type': 'application/json' },
    signal: AbortSignal.timeout(15_000),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(`${request} answered ${response.status}: ${JSON.stringify(answer)}`);
  return answer;
}
