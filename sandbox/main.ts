import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { z } from 'zod';
import { DEMO_CUSTOMERS } from './demo/customers.ts';
import { GeminiStandIn } from './gemini/gemini-stand-in.ts';
import { phonePage } from './phone/phone-page.ts';
import { StandInTown } from './phone/phone-town.ts';
import { WhaticketStandIn } from './whaticket/whaticket-stand-in.ts';

/**
 * The sandbox: a Whaticket, a Gemini, and the phones of a few customers, each on its real wire. `npm start` runs it beside
 * the product, which cannot tell it from the real ones.
 */
const Environment = z.object({
  SANDBOX_HOST: z.string(),
  SANDBOX_PORT: z.coerce.number().int(),
  SANDBOX_GATEWAY_PORT: z.coerce.number().int(),
  SANDBOX_GEMINI_PORT: z.coerce.number().int(),
  SANDBOX_GATEWAY_TOKEN: z.string(),
  SANDBOX_WEBHOOK_URL: z.url(),
  SANDBOX_WEBHOOK_SECRET: z.string(),
  SANDBOX_COMPANY: z.string(),
  SANDBOX_API_DOCS_URL: z.url(),
  SANDBOX_HISTORY_FILE: z.string(),
});

const settings = Environment.parse(process.env);
const gateway = await WhaticketStandIn.start({ port: settings.SANDBOX_GATEWAY_PORT });
const gemini = await GeminiStandIn.start({ port: settings.SANDBOX_GEMINI_PORT });
const line = gateway.addConnection({
  name: 'demo',
  profile: 'launcherbr',
  token: settings.SANDBOX_GATEWAY_TOKEN,
  webhook: {
    url: settings.SANDBOX_WEBHOOK_URL,
    shape: 'W1',
    auth: { kind: 'hmac', secret: settings.SANDBOX_WEBHOOK_SECRET },
  },
  // This fork tells nobody what was sent through it, so the demo channel decides by its policy, as a real one would.
  echoes: false,
});
const town = await StandInTown.open({
  company: settings.SANDBOX_COMPANY,
  apiDocsUrl: settings.SANDBOX_API_DOCS_URL,
  customers: DEMO_CUSTOMERS,
  line,
  gateway,
  model: gemini,
  historyFile: settings.SANDBOX_HISTORY_FILE,
});

const app = express();
app.disable('x-powered-by');
app.use(phonePage(town));
app.get('/', (_req, res) => {
  res.redirect('/phone');
});
const server = app.listen(settings.SANDBOX_PORT, settings.SANDBOX_HOST);
await once(server, 'listening');
console.log(JSON.stringify({ event: 'sandbox.started', port: (server.address() as AddressInfo).port }));

const end = (): void => {
  server.closeAllConnections();
  server.close();
  void Promise.all([gateway.close(), gemini.close(), town.close()]).finally(() => process.exit(0));
};
process.on('SIGTERM', end);
process.on('SIGINT', end);
// Started by a supervisor that has died: nobody would ever end us.
process.on('disconnect', end);
