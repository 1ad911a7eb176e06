import { describeTicketContract } from '../../../sandbox/whaticket/ticket-contract.ts';
import { createHttpClient } from '../../platform/http-client.ts';
import { createLogger } from '../../platform/logger.ts';
import { createWhaticketTickets } from './whaticket-tickets.ts';

const client = createHttpClient({
  timeoutMs: 10_000,
  responseBytesMax: 65_536,
  connectionsMax: 8,
  privateHosts: ['127.0.0.1'],
});
const tickets = createWhaticketTickets(client, createLogger({ level: 'silent', process: 'test' }));

describeTicketContract({ profile: 'community', tickets, hasNotes: false, asksAs: 'user' });
describeTicketContract({ profile: 'launcherbr', tickets, hasNotes: true, asksAs: 'user' });
describeTicketContract({ profile: 'ticketz', tickets, hasNotes: true, asksAs: 'user' });
describeTicketContract({ profile: 'hosted', tickets, hasNotes: true, asksAs: 'token' });
