import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ReceivedEvent } from '../../vocabulary/message.ts';
import { recogniseWebhook } from './webhook-payload.ts';

const PHONE = '5511988887777';
const LID = '201122334455667';
const PHONE_JID = `${PHONE}@s.whatsapp.net`;
const LID_JID = `${LID}@lid`;
const ID = '3EB0A1B2C3D4E5F60718';
const AT = new Date('2026-08-01T16:00:00.000Z');

const phone = { kind: 'phone', value: PHONE } as const;
const lid = { kind: 'lid', value: LID } as const;

function bare(message: unknown, key: object = {}, rest: object = {}): Record<string, unknown> {
  return {
    key: { remoteJid: PHONE_JID, fromMe: false, id: ID, ...key },
    messageTimestamp: 1_785_600_000,
    pushName: 'Ana Lima',
    message,
    ...rest,
  };
}

function hosted(rest: object = {}, contact: object = {}): Record<string, unknown> {
  return {
    filaescolhida: 'Suporte',
    mensagem: 'Meu boleto venceu',
    sender: PHONE,
    chamadoId: 4711,
    acao: 'start',
    name: 'Ana Lima',
    fromMe: false,
    isGroup: false,
    ticketData: {
      id: 4711,
      updatedAt: '2026-08-01T12:00:05.000Z',
      contact: { name: 'Ana Lima', number: PHONE, ...contact },
    },
    ...rest,
  };
}

function signed(payload: object, event = 'message.received'): Record<string, unknown> {
  return { event, payload, timestamp: '2026-08-01T16:00:00.000Z' };
}

function said(event: ReceivedEvent): Extract<ReceivedEvent, { type: 'message' | 'echo' }> {
  if (event.type !== 'message' && event.type !== 'echo') throw new Error(`${event.type}: ${JSON.stringify(event)}`);
  return event;
}

describe('a bare Baileys message', () => {
  it('becomes a message with its id, its time, the customer and the words', () => {
    expect(recogniseWebhook(bare({ conversation: 'oi' }))).toEqual({
      type: 'message',
      providerMessageId: ID,
      occurredAt: AT,
      isSelfDating: true,
      addresses: [phone],
      contactName: 'Ana Lima',
      ticketId: undefined,
      kind: 'text',
      text: 'oi',
      quotedText: undefined,
    });
  });

  it.each([
    ['under `message`', { message: bare({ conversation: 'oi' }) }],
    ['under `body`, where relays put it', { headers: {}, body: bare({ conversation: 'oi' }) }],
  ])('is the same %s', (_place, body) => {
    expect(recogniseWebhook(body)).toEqual(recogniseWebhook(bare({ conversation: 'oi' })));
  });

  it('takes the ticket from the shape around it', () => {
    const event = recogniseWebhook({ message: bare({ conversation: 'oi' }), ticket: { id: 88 } });

    expect(said(event).ticketId).toBe('88');
  });

  it.each([
    ['the alternative name of Baileys 7', { remoteJid: LID_JID, remoteJidAlt: PHONE_JID }, [phone, lid]],
    ['a swapped pair', { remoteJid: PHONE_JID, remoteJidAlt: LID_JID }, [phone, lid]],
    ['the sender of Baileys 6.7', { remoteJid: LID_JID, senderPn: PHONE_JID }, [phone, lid]],
    ['the sender of some forks', { remoteJid: LID_JID, sender_pn: PHONE_JID }, [phone, lid]],
    ['a sender without its server', { remoteJid: LID_JID, senderPn: PHONE }, [phone, lid]],
    ['a LID beside the phone', { remoteJid: PHONE_JID, senderLid: LID_JID }, [phone, lid]],
    [
      'the alternative name before the sender',
      { remoteJid: LID_JID, remoteJidAlt: PHONE_JID, senderPn: '5521911112222@s.whatsapp.net' },
      [phone, lid],
    ],
    [
      'the sender before the other spelling of it',
      { remoteJid: LID_JID, senderPn: PHONE_JID, sender_pn: '5521911112222@s.whatsapp.net' },
      [phone, lid],
    ],
    ['a LID alone', { remoteJid: LID_JID }, [lid]],
    ['the older server', { remoteJid: `${PHONE}@c.us` }, [phone]],
    ['a device behind the number', { remoteJid: `${PHONE}:12@s.whatsapp.net` }, [phone]],
    ['the digits of the LID as a phone', { remoteJid: `${LID}@s.whatsapp.net`, remoteJidAlt: LID_JID }, [lid]],
  ])('names the customer by %s', (_case, key, addresses) => {
    expect(said(recogniseWebhook(bare({ conversation: 'oi' }, key))).addresses).toEqual(addresses);
  });

  it.each([
    ['seconds', 1_785_600_000, AT],
    ['seconds in a string', '1785600000', AT],
    ['milliseconds', 1_785_600_000_000, AT],
    ['milliseconds in a string', '1785600000000', AT],
    ['a protobuf 64-bit integer', { low: 1_785_600_000, high: 0, unsigned: true }, AT],
    ['nothing', undefined, undefined],
    ['nonsense', 'ontem', undefined],
    ['zero', 0, undefined],
    ['a number without end', Number.MAX_VALUE, undefined],
  ])('takes its time from %s', (_case, messageTimestamp, occurredAt) => {
    const event = recogniseWebhook(bare({ conversation: 'oi' }, {}, { messageTimestamp }));

    expect(event.occurredAt).toEqual(occurredAt);
  });

  it.each([
    { given: 'an id', id: ID, isSelfDating: true },
    { given: 'a time', messageTimestamp: 1_785_600_000, isSelfDating: true },
    { given: 'neither', isSelfDating: false },
    { given: 'an id too long to be one', id: 'A'.repeat(300), isSelfDating: false },
  ])('with $given says for itself which event it is: $isSelfDating', ({ id, messageTimestamp, isSelfDating }) => {
    const event = recogniseWebhook(bare({ conversation: 'oi' }, { id }, { messageTimestamp }));

    expect(event).toMatchObject({ type: 'message', isSelfDating });
  });

  it.each<[string, object, string, string | undefined]>([
    ['text with a preview', { extendedTextMessage: { text: 'oi' } }, 'text', 'oi'],
    ['a menu digit', { conversation: '1' }, 'text', '1'],
    ['an image with a caption', { imageMessage: { caption: 'é este' } }, 'image', 'é este'],
    ['an image', { imageMessage: { url: 'https://x.test' } }, 'image', undefined],
    ['a video', { videoMessage: { caption: 'veja' } }, 'video', 'veja'],
    ['a voice note', { audioMessage: { ptt: true, seconds: 4 } }, 'audio', undefined],
    ['a document', { documentMessage: { fileName: 'nota.pdf' } }, 'document', undefined],
    [
      'a document whose name stands where the caption belongs',
      { documentMessage: { caption: 'Nota fiscal (1).PDF' } },
      'document',
      undefined,
    ],
    [
      'a document with a caption',
      { documentWithCaptionMessage: { message: { documentMessage: { fileName: 'nota.pdf', caption: 'a nota' } } } },
      'document',
      'a nota',
    ],
    ['a sticker', { stickerMessage: { isAnimated: false } }, 'sticker', undefined],
    [
      'a place',
      { locationMessage: { degreesLatitude: -23.55, degreesLongitude: -46.63, name: 'Praça da Sé' } },
      'location',
      'Localização: -23.55, -46.63 (Praça da Sé)',
    ],
    [
      'a place without a name',
      { liveLocationMessage: { degreesLatitude: -23.55, degreesLongitude: -46.63 } },
      'location',
      'Localização: -23.55, -46.63',
    ],
    ['a contact card', { contactMessage: { displayName: 'Bia', vcard: 'BEGIN:VCARD' } }, 'contact', 'Bia'],
    [
      'several contact cards',
      {
        contactsArrayMessage: {
          displayName: '2 contatos',
          contacts: [{ displayName: 'Bia' }, { displayName: 'Davi' }],
        },
      },
      'contact',
      'Bia, Davi',
    ],
    ['a button', { buttonsResponseMessage: { selectedButtonId: 'b1', selectedDisplayText: 'Sim' } }, 'text', 'Sim'],
    [
      'a template button',
      { templateButtonReplyMessage: { selectedId: 't', selectedDisplayText: 'Não' } },
      'text',
      'Não',
    ],
    [
      'a choice from a list',
      { listResponseMessage: { title: 'Segunda via', singleSelectReply: { selectedRowId: 'r7' } } },
      'text',
      'Segunda via',
    ],
    [
      'a choice in a flow',
      { interactiveResponseMessage: { nativeFlowResponseMessage: { paramsJson: '{"id":"x","title":"Boleto"}' } } },
      'text',
      'Boleto',
    ],
    [
      'a flow with broken parameters',
      { interactiveResponseMessage: { nativeFlowResponseMessage: { paramsJson: '{' } } },
      'text',
      undefined,
    ],
    ['a poll', { pollCreationMessageV3: { name: 'Qual dia?' } }, 'poll', 'Qual dia?'],
    ['a form nobody knows yet', { holographicMessage: { text: 'olá' } }, 'other', 'olá'],
    ['text in five wrappers', wrapped(5, { conversation: 'fundo' }), 'text', 'fundo'],
    [
      'text beside keys for the app',
      { senderKeyDistributionMessage: {}, messageContextInfo: {}, conversation: 'oi' },
      'text',
      'oi',
    ],
  ])('reads %s', (...[, message, kind, text]) => {
    expect(recogniseWebhook(bare(message))).toMatchObject({ type: 'message', kind, text });
  });

  it('reads what was quoted, also out of a wrapper', () => {
    const quotedMessage = { ephemeralMessage: { message: { imageMessage: { caption: 'Pedido 123' } } } };
    const event = recogniseWebhook(bare({ extendedTextMessage: { text: 'E este?', contextInfo: { quotedMessage } } }));

    expect(said(event)).toMatchObject({ text: 'E este?', quotedText: 'Pedido 123' });
  });

  it('is parked when it is wrapped deeper than anybody wraps', () => {
    expect(recogniseWebhook(bare(wrapped(6, { conversation: 'fundo' })))).toMatchObject({
      type: 'unknown',
      reason: 'a Baileys message wrapped more than 5 times',
    });
  });

  it('keeps only text that the database can keep', () => {
    const event = recogniseWebhook(bare({ conversation: 'a\u0000b\uD800' }, {}, { pushName: '\u0000 Ana\u0000 ' }));

    expect(said(event)).toMatchObject({ text: 'ab\uFFFD', contactName: 'Ana' });
  });

  it('does not mind keys that JavaScript itself uses', () => {
    const body: unknown = JSON.parse(
      `{"__proto__":{"mensagem":"x","chamadoId":1},"key":{"__proto__":{"fromMe":true},"remoteJid":"${PHONE_JID}","id":"${ID}"},` +
        '"message":{"__proto__":{"imageMessage":{"caption":"x"}},"constructor":{"text":"y"},"conversation":"oi"}}',
    );

    expect(recogniseWebhook(body)).toMatchObject({ type: 'message', kind: 'text', text: 'oi' });
  });
});

function wrapped(times: number, inner: object): object {
  return times === 0 ? inner : { ephemeralMessage: { message: wrapped(times - 1, inner) } };
}

describe('what is said about a message, and not in one', () => {
  const protocolMessage = (type: unknown) => ({
    key: { remoteJid: PHONE_JID, fromMe: true, id: 'ORIGINAL' },
    type,
    editedMessage: { conversation: 'quis dizer 15h' },
  });
  const edit = { type: 'edit', targetMessageId: 'ORIGINAL', text: 'quis dizer 15h', addresses: [phone] };
  const deletion = { type: 'deletion', targetMessageId: 'ORIGINAL', addresses: [phone] };

  it.each([
    ['in a wrapper', { editedMessage: { message: { protocolMessage: protocolMessage('MESSAGE_EDIT') } } }, edit],
    ['bare', { protocolMessage: protocolMessage('MESSAGE_EDIT') }, edit],
    ['by number', { protocolMessage: protocolMessage(14) }, edit],
    [
      'around the new text itself',
      { editedMessage: { message: { conversation: 'às 15h' } } },
      { ...edit, targetMessageId: ID, text: 'às 15h' },
    ],
    ['revoked by name', { protocolMessage: protocolMessage('REVOKE') }, deletion],
    ['revoked by number', { protocolMessage: protocolMessage(0) }, deletion],
  ])('an edit or a deletion, %s, names what it changes', (_case, message, expected) => {
    expect(recogniseWebhook(bare(message))).toMatchObject(expected);
  });

  it.each([
    ['an edit', { protocolMessage: protocolMessage(14) }],
    ['a deletion', { protocolMessage: protocolMessage(0) }],
  ])('%s by our own side changes nothing of the customer', (_case, message) => {
    expect(recogniseWebhook(bare(message, { fromMe: true }))).toMatchObject({ type: 'system' });
  });

  it.each([
    ['a reaction', { reactionMessage: { key: { id: 'X' }, text: '👍' } }, 'reaction'],
    ['a reaction taken back', { reactionMessage: { key: { id: 'X' }, text: '' } }, 'reaction'],
    ['a vote', { pollUpdateMessage: {} }, 'system'],
    ['keys for the app', { senderKeyDistributionMessage: {}, messageContextInfo: {} }, 'system'],
    ['a setting', { protocolMessage: { type: 'EPHEMERAL_SETTING' } }, 'system'],
    ['nothing at all', {}, 'system'],
  ])('%s asks for no answer', (_case, message, type) => {
    expect(recogniseWebhook(bare(message))).toMatchObject({ type, providerMessageId: ID });
  });

  it.each([
    ['120363041234567890@g.us'],
    ['5511988887777-1600000000@g.us'],
    ['status@broadcast'],
    ['1234@broadcast'],
    ['120363041234567890@newsletter'],
  ])('the chat %s is not one person', (remoteJid) => {
    expect(recogniseWebhook(bare({ conversation: 'oi' }, { remoteJid, participant: PHONE_JID }))).toMatchObject({
      type: 'group',
    });
  });

  it.each([
    [0, 'failed'],
    [1, undefined],
    [2, 'sent'],
    ['SERVER_ACK', 'sent'],
    [3, 'delivered'],
    ['DELIVERY_ACK', 'delivered'],
    [4, 'read'],
    ['PLAYED', 'read'],
    ['ERROR', 'failed'],
    ['whatever', undefined],
    [{}, undefined],
  ])('an update with the status %p is a delivery status', (status, state) => {
    const body = { key: { remoteJid: PHONE_JID, fromMe: true, id: ID }, update: { status } };

    expect(recogniseWebhook(body)).toEqual({
      type: 'status',
      state,
      providerMessageId: ID,
      occurredAt: undefined,
      isSelfDating: true,
    });
  });

  it('an update can bring a deletion', () => {
    const body = {
      key: { remoteJid: PHONE_JID, fromMe: false, id: ID },
      update: { message: null, messageStubType: 1 },
    };

    expect(recogniseWebhook(body)).toMatchObject({ type: 'deletion', targetMessageId: ID });
  });
});

describe('an echo', () => {
  it('is what our own side wrote, and does not carry our own name', () => {
    const event = recogniseWebhook(bare({ conversation: 'Bom dia!' }, { fromMe: true }, { pushName: 'Padaria' }));

    expect(event).toMatchObject({ type: 'echo', isAutomatic: false, contactName: undefined, addresses: [phone] });
  });

  it('does not take our own number for that of the customer', () => {
    const key = { remoteJid: LID_JID, fromMe: true, senderPn: '551133330000@s.whatsapp.net' };

    expect(said(recogniseWebhook(bare({ conversation: 'Bom dia!' }, key))).addresses).toEqual([lid]);
  });

  it.each([
    ['\u200EBem-vindo à padaria!', true],
    ['*Mensagem automática*:\nVocê foi transferido para o departamento *Suporte*', true],
    ['Olá Ana, seu atendimento foi transferido. Departamento: Suporte. Atendente: Bruno.', true],
    ['Obrigado!\n\nDigite de 1 a 5 para qualificar nosso atendimento:\n\n*1* - Péssimo', true],
    ['Olá!\n\n*[ 1 ]* - Suporte\n*[ 2 ]* - Vendas', true],
    ['*Bruno:*\nBom dia, Ana!', false],
    ['Esta não é uma mensagem automática', false],
  ])('of %j is automatic: %p', (text, isAutomatic) => {
    expect(recogniseWebhook(bare({ conversation: text }, { fromMe: true }))).toMatchObject({
      type: 'echo',
      isAutomatic,
    });
  });
});

describe('the envelope of the hosted forks', () => {
  it('becomes a message without an id, told apart by the times of its ticket', () => {
    expect(recogniseWebhook(hosted())).toEqual({
      type: 'message',
      providerMessageId: undefined,
      occurredAt: undefined,
      isSelfDating: true,
      addresses: [phone],
      contactName: 'Ana Lima',
      ticketId: '4711',
      kind: 'text',
      text: 'Meu boleto venceu',
      quotedText: undefined,
    });
  });

  it.each<[string, Record<string, unknown>]>([
    [
      'with its keys in lower case',
      Object.fromEntries(Object.entries(hosted()).map(([key, value]) => [key.toLowerCase(), value])),
    ],
    ['behind a relay', { headers: {}, query: {}, body: hosted() }],
    ['with the sender as a contact', hosted({ sender: { id: 902, name: 'Ana Lima', number: PHONE } })],
    ['with the ticket as `chamado`', { ...hosted(), ticketData: undefined, chamado: hosted().ticketData }],
    ['with the action of a flow', hosted({ acao: 'n8n' })],
  ])('is the same %s', (_case, body) => {
    expect(recogniseWebhook(body)).toEqual(recogniseWebhook(hosted()));
  });

  it.each<[string, unknown, string, string | undefined]>([
    ['text', 'oi', 'text', 'oi'],
    [
      'parts',
      [
        { type: 'text', text: 'oi' },
        { type: 'text', text: 'tudo bem?' },
      ],
      'text',
      'oi\ntudo bem?',
    ],
    ['parts with a picture', [{ type: 'image' }, { type: 'text', text: 'é este' }], 'image', 'é este'],
    ['a voice note', { mediaType: 'audio', mediaUrl: 'https://x.test/a.ogg', body: '' }, 'audio', undefined],
    ['a document', { mediaType: 'application', filename: 'nota.pdf' }, 'document', undefined],
    ['nothing', '', 'other', undefined],
    ['null', null, 'other', undefined],
  ])('holds %s', (...[, mensagem, kind, text]) => {
    expect(recogniseWebhook(hosted({ mensagem }))).toMatchObject({ type: 'message', kind, text });
  });

  it('falls back on the ticket where nobody is named', () => {
    const event = recogniseWebhook({ mensagem: 'oi', chamadoId: 4711, acao: 'start' });

    expect(event).toMatchObject({
      type: 'message',
      addresses: [{ kind: 'ticket', value: '4711' }],
      isSelfDating: false,
    });
  });

  it('knows a LID that stands where the number belongs', () => {
    const event = recogniseWebhook(hosted({ sender: LID }, { number: LID, lid: LID_JID }));

    expect(said(event).addresses).toEqual([lid]);
  });

  it.each([
    ['what we wrote', hosted({ fromMe: true }), 'echo'],
    ['what we wrote, said as text', hosted({ fromMe: 'true' }), 'echo'],
    ['what we wrote, said in the message', hosted({ mensagem: { body: 'oi', fromMe: true } }), 'echo'],
    ['a group', hosted({ isGroup: true }), 'group'],
    ['a group by its ticket', hosted({ ticketData: { isGroup: true } }), 'group'],
    ['a group by its number', hosted({ ticketData: {}, sender: '120363041234567890' }), 'group'],
    ['a reaction', hosted({ mensagem: { mediaType: 'reactionMessage', body: '👍' } }), 'reaction'],
    ['the end', hosted({ acao: 'end', mensagem: 'SAIR' }), 'ticket'],
    ['a closed ticket', { acao: 'closed', chamadoId: 1 }, 'ticket'],
    ['a ticket event', { acao: 'ticket:created', ticketData: { id: 1 } }, 'ticket'],
    ['tags', { action: 'tag-sync', tags: { ticketId: 4711, tags: [] }, contact: {} }, 'ticket'],
  ])('tells of %s', (_case, body, type) => {
    expect(recogniseWebhook(body)).toMatchObject({ type });
  });
});

describe('the envelope of the fork that signs', () => {
  it('becomes a message of a ticket when it names nobody', () => {
    const body = signed({ id: ID, ticketId: 4711, body: 'Oi, quero falar com um humano', fromMe: false });

    expect(recogniseWebhook(body)).toEqual({
      type: 'message',
      providerMessageId: ID,
      occurredAt: AT,
      isSelfDating: true,
      addresses: [{ kind: 'ticket', value: '4711' }],
      contactName: undefined,
      ticketId: '4711',
      kind: 'text',
      text: 'Oi, quero falar com um humano',
      quotedText: undefined,
    });
  });

  it.each<[string, object]>([
    ['a contact', { id: ID, ticketId: 4711, body: 'oi', fromMe: false, contact: { number: PHONE, name: 'Ana Lima' } }],
    ['a sender', { id: ID, ticketId: 4711, body: 'oi', fromMe: false, from: PHONE_JID, pushName: 'Ana Lima' }],
    ['a number', { id: ID, ticketId: 4711, body: 'oi', number: 5511988887777, name: 'Ana Lima' }],
    [
      'a stored record',
      {
        message: {
          id: ID,
          ticketId: 4711,
          body: 'oi',
          mediaType: 'conversation',
          contact: { number: PHONE, name: 'Ana Lima' },
        },
      },
    ],
    [
      'a record with its ticket',
      { message: { id: ID, body: 'oi' }, ticket: { id: 4711, contact: { number: PHONE, name: 'Ana Lima' } } },
    ],
    ['a Baileys message', { ticketId: 4711, ...bare({ conversation: 'oi' }) }],
    ['a Baileys message further inside', { ticketId: 4711, message: bare({ conversation: 'oi' }) }],
  ])('names the customer by %s', (_case, payload) => {
    expect(recogniseWebhook(signed(payload))).toMatchObject({
      type: 'message',
      providerMessageId: ID,
      occurredAt: AT,
      addresses: [phone],
      contactName: 'Ana Lima',
      ticketId: '4711',
      kind: 'text',
      text: 'oi',
    });
  });

  it.each<[string, unknown, object]>([
    [
      'our own words',
      signed({ id: ID, body: 'oi', fromMe: true, from: '551133330000', to: PHONE }),
      { type: 'echo', addresses: [phone] },
    ],
    ['what was sent', signed({ id: ID, body: 'oi', number: PHONE }, 'message.sent'), { type: 'echo' }],
    ['a group', signed({ id: ID, body: 'oi', from: '120363041234567890@g.us' }), { type: 'group' }],
    [
      'an edit',
      signed({ id: ID, body: 'às 15h', number: PHONE, isEdited: true }),
      { type: 'edit', targetMessageId: ID, text: 'às 15h' },
    ],
    ['a deletion', signed({ id: ID, number: PHONE }, 'message.deleted'), { type: 'deletion', targetMessageId: ID }],
    [
      'a delivery',
      signed({ id: ID, ack: 3 }, 'message.ack'),
      { type: 'status', state: 'delivered', providerMessageId: ID },
    ],
    ['a delivery by name', signed({ id: ID }, 'message.read'), { type: 'status', state: 'read' }],
    [
      'a ticket',
      signed({ id: 4711, status: 'open' }, 'ticket.created'),
      { type: 'ticket', providerMessageId: undefined },
    ],
    ['a closed ticket', signed({ id: 4711 }, 'ticket.closed'), { type: 'ticket' }],
    [
      'something else',
      signed({}, 'contact.created'),
      { type: 'unknown', reason: 'the event contact.created is not known' },
    ],
  ])('tells of %s', (_case, body, expected) => {
    expect(recogniseWebhook(body)).toMatchObject(expected);
  });
});

describe('a body that is none of these', () => {
  it.each<[unknown, string]>([
    [undefined, 'not an object'],
    [null, 'not an object'],
    ['oi', 'not an object'],
    [[bare({ conversation: 'oi' })], 'not an object'],
    [{}, 'none of the known shapes'],
    [{ msg: 'oi' }, 'none of the known shapes'],
    [{ event: 'messages.upsert', instance: 'loja', payload: {}, data: {} }, 'the shape of Evolution API'],
    [{ object: 'whatsapp_business_account', entry: [] }, 'the shape of the WhatsApp Cloud API'],
    [{ message: { id: {} }, ticket: {}, contact: {} }, 'the shape of Press-Ticket'],
    [bare({ conversation: 'oi' }, { remoteJid: 'ninguém' }), 'it names nobody who could be answered'],
    [bare(undefined), 'a Baileys message without content'],
  ])('is parked with a reason: %j', (body, reason) => {
    expect(recogniseWebhook(body)).toMatchObject({ type: 'unknown', reason });
  });
});

describe('the reader of webhooks', () => {
  const samples: readonly unknown[] = [
    bare({ conversation: 'oi' }),
    bare({
      editedMessage: {
        message: { protocolMessage: { key: { id: 'X' }, type: 14, editedMessage: { conversation: 'a' } } },
      },
    }),
    bare({ extendedTextMessage: { text: 'a', contextInfo: { quotedMessage: { conversation: 'b' } } } }),
    { message: bare({ locationMessage: { degreesLatitude: 1, degreesLongitude: 2 } }) },
    { key: { remoteJid: PHONE_JID, id: ID }, update: { status: 3 } },
    hosted(),
    hosted({ mensagem: [{ type: 'text', text: 'a' }] }),
    signed({ id: ID, ticketId: 4711, body: 'oi', contact: { number: PHONE } }),
    signed({ message: bare({ conversation: 'oi' }), ticket: { id: 1 } }),
  ];

  it('answers any JSON with an event', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (body) => {
        expect(typeof recogniseWebhook(body).isSelfDating).toBe('boolean');
      }),
      { numRuns: 500 },
    );
  });

  it('answers any damaged sample with an event', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.infiniteStream(fc.nat()),
        fc.jsonValue(),
        (sample, choices, damage) => {
          const next = (bound: number): number => Number(choices.next().value) % bound;
          expect(typeof recogniseWebhook(damaged(sample, next, damage)).isSelfDating).toBe('boolean');
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it.each([
    [
      'wrappers',
      (depth: number) => nested(depth, (inner) => ({ ephemeralMessage: { message: inner } }), { conversation: 'oi' }),
    ],
    [
      'quotations',
      (depth: number) =>
        nested(depth, (inner) => ({ extendedTextMessage: { text: 'a', contextInfo: { quotedMessage: inner } } }), {}),
    ],
    ['lists', (depth: number) => nested(depth, (inner) => [inner], 'oi')],
    ['bodies', (depth: number) => nested(depth, (inner) => ({ body: inner }), {})],
  ])('does not drown in 100,000 %s', (_case, build) => {
    const deep = build(100_000);

    for (const body of [
      deep,
      bare(deep),
      bare({ protocolMessage: { key: { id: 'X' }, type: 14, editedMessage: deep } }),
      hosted({ mensagem: deep, sender: deep }),
      signed({ message: deep, contact: deep }),
    ]) {
      expect(typeof recogniseWebhook(body).isSelfDating).toBe('boolean');
    }
  });
});

function nested(depth: number, wrap: (inner: unknown) => unknown, core: unknown): unknown {
  let value = core;
  for (let level = 0; level < depth; level += 1) value = wrap(value);
  return value;
}

/** The sample with something else in one of its places. */
function damaged(sample: unknown, next: (bound: number) => number, damage: unknown): unknown {
  if (typeof sample !== 'object' || sample === null || next(5) === 0) return damage;
  const keys = Object.keys(sample);
  const chosen = keys[next(Math.max(1, keys.length))];
  return Object.fromEntries(
    Object.entries(sample).map(([key, value]: [string, unknown]) => [
      key,
      key === chosen ? damaged(value, next, damage) : value,
    ]),
  );
}
