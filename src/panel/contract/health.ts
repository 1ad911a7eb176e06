import { z } from 'zod';
import { CHECK_STATES } from '../../platform/deep-check.ts';
import { ChannelId } from '../../vocabulary/ids.ts';
import { instant, NO_BODY, NOTHING, TenantParams } from './fields.ts';
import { operation, PLATFORM, TENANT_VIEWER } from './operation.ts';

const State = z.enum(CHECK_STATES);

export const getHealth = operation({
  id: 'getHealth',
  method: 'get',
  path: '/api/v1/health',
  summary: 'Everything that the installation rests on, asked now.',
  description:
    'Database, migrations, clock, Redis, backlog, backup, disk, model key and the gateway of each channel (the first 100). A report is kept for 30 seconds. The status of the answer is 200 whatever it says: for probes there is `/readyz`.',
  access: PLATFORM,
  params: NOTHING,
  query: NOTHING,
  body: NO_BODY,
  status: 200,
  answer: z.object({
    status: z.enum(['ok', 'warning', 'failed']).describe('The worst of the checks.'),
    checkedAt: instant,
    checks: z.array(z.object({ name: z.string(), state: State, detail: z.string(), tookMs: z.int() })),
  }),
  failures: [],
});

export const getChannelHealth = operation({
  id: 'getChannelHealth',
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/channels/{channelId}/health',
  summary: 'Whether the gateway says that the connection of a channel stands.',
  description:
    'Asked at most every 30 seconds. `skipped`: this gateway does not let us ask; most want a user (`email`, `password`).',
  access: TENANT_VIEWER,
  params: TenantParams.extend({ channelId: ChannelId }),
  query: NOTHING,
  body: NO_BODY,
  status: 200,
  answer: z.object({ state: State, detail: z.string() }),
  failures: [],
});
