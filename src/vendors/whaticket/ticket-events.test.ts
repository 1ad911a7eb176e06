import { describe, expect, it } from '@jest/globals';
import type { ReceivedEvent } from '../../vocabulary/message.ts';
import { recogniseWebhook } from './webhook-payload.ts';

const ROW = { id: 4711, status: 'open', queueId: 5, userId: 12, contact: { number: '5511988887777', name: 'Ana' } };

function changeOf(body: unknown): unknown {
  const event: ReceivedEvent = recogniseWebhook(body);
  return event.type === 'ticket' ? (event.change ?? 'no change') : event.type;
}

const OPEN = { id: '4711', status: 'open', said: 'open', queueId: 5, userId: 12 };
const ADDRESSES = [{ kind: 'phone', value: '5511988887777' }];

describe('a ticket of which a gateway tells', () => {
  it.each([
    ['a hosted fork', { acao: 'ticket:updated', chamadoId: 4711, ticketData: ROW }],
    ['a hosted fork that writes everything small', { acao: 'ticket:updated', ticketdata: { ...ROW, userid: 12 } }],
    ['the fork that signs', { event: 'ticket.updated', payload: ROW, timestamp: '2026-08-01T12:00:00.000Z' }],
    ['the fork that signs, one level deeper', { event: 'ticket.updated', payload: { ticket: ROW } }],
    [
      'one that shows rows instead of numbers',
      {
        event: 'ticket.updated',
        payload: { ...ROW, queueId: undefined, userId: undefined, queue: { id: 5 }, user: { id: 12 } },
      },
    ],
  ])('is read from %s', (_case, body) => {
    expect(changeOf(body)).toEqual({ ticket: OPEN, addresses: ADDRESSES });
  });

  it.each([
    ['a hosted fork', { acao: 'ticket:closed', chamadoId: 4711, ticketData: ROW }],
    ['a hosted fork whose customer has left', { acao: 'end', chamadoId: '4711', sender: '5511988887777' }],
    [
      'the fork that signs',
      { event: 'ticket.closed', payload: { ticketId: 4711, contact: { number: '5511988887777' } } },
    ],
  ])('is closed when %s says so, whatever its row says', (_case, body) => {
    expect(changeOf(body)).toMatchObject({ ticket: { id: '4711', status: 'closed' }, addresses: ADDRESSES });
  });

  it.each([
    ['a word nobody knows', 'paused', { status: 'unknown', said: 'paused' }],
    ['a group', 'group', { status: 'unknown', said: 'group' }],
    ['a text full of surprises', '<script>alert(1)</script>', { status: 'unknown', said: 'scriptalert1script' }],
  ])('with %s for its status has one that means nothing', (_case, status, expected) => {
    expect(changeOf({ event: 'ticket.updated', payload: { ...ROW, status } })).toMatchObject({ ticket: expected });
  });

  it.each([
    ['its tags', { action: 'tag-sync', tags: { ticketId: 4711, tags: [] } }],
    ['nothing at all', { event: 'ticket.updated', payload: {} }],
    ['a status that is no word', { event: 'ticket.updated', payload: { ...ROW, status: 3 } }],
  ])('has changed nothing that we know of when it is about %s', (_case, body) => {
    expect(changeOf(body)).toBe('no change');
  });

  it('comes along with every message of a hosted fork', () => {
    const event = recogniseWebhook({ mensagem: 'Oi', acao: 'start', chamadoId: 4711, fromMe: false, ticketData: ROW });

    expect(event).toMatchObject({ type: 'message', ticketId: '4711', ticket: OPEN });
  });
});
