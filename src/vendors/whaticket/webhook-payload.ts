import type { ReceivedEvent } from '../../vocabulary/message.ts';
import { isBaileysMessage, readBaileysMessage } from './baileys-message.ts';
import { isHostedEnvelope, readHostedEnvelope } from './hosted-envelope.ts';
import { unknownEvent } from './said.ts';
import { isSignedEnvelope, readSignedEnvelope } from './signed-envelope.ts';
import { objectIn, WireId } from './wire-values.ts';
import type { JsonObject } from './wire-values.ts';

/**
 * Turns the body of any fork's webhook into the one event it stands for.
 *
 * There is no single Whaticket webhook: forks differ in the shape, in what they send and in what they leave out. Four
 * shapes are read: the bare Baileys message, the same under `message`, the envelope of the hosted forks, and the envelope
 * of the fork that signs. A body that a relay has put under `body` is read as if it stood alone.
 *
 * Never throws, whatever the input: what nobody can read becomes `unknown` with a reason, and is parked for a person.
 */
export function recogniseWebhook(body: unknown): ReceivedEvent {
  const outer = objectIn(body);
  if (outer === undefined) return unknownEvent('not an object');
  const inner = objectIn(outer.body);
  return recognise(outer) ?? (inner && recognise(inner)) ?? unknownEvent(reasonFor(outer));
}

function recognise(body: JsonObject): ReceivedEvent | undefined {
  if (isSignedEnvelope(body)) return readSignedEnvelope(body);
  if (isHostedEnvelope(body)) return readHostedEnvelope(body);
  const message = objectIn(body.message);
  const ticketId = WireId.parse(body.ticketId) ?? WireId.parse(objectIn(body.ticket)?.id);
  if (isBaileysMessage(message)) return readBaileysMessage(message, ticketId);
  if (isBaileysMessage(body)) return readBaileysMessage(body, ticketId);
  return undefined;
}

/** Shapes of neighbours, so that whoever looks at a parked body learns what was connected here by mistake. */
function reasonFor(body: JsonObject): string {
  if (typeof body.event === 'string' && body.instance !== undefined) return 'the shape of Evolution API';
  if (body.object === 'whatsapp_business_account') return 'the shape of the WhatsApp Cloud API';
  if (body.event === 'queue.assistant.incoming_message') return 'the shape of a queue assistant';
  if (typeof body.type === 'string' && body.type.startsWith('hook')) return 'the shape of izing';
  if (objectIn(body.message) && objectIn(body.ticket) && objectIn(body.contact)) return 'the shape of Press-Ticket';
  return 'none of the known shapes';
}
