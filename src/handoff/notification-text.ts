import { DateTime } from 'luxon';
import { z } from 'zod';
import type { Notice, NotificationKind } from '../vocabulary/notification.ts';

/** What a notification is about, in closed words. */
export interface ToldAbout {
  readonly kind: NotificationKind | 'test';
  readonly company: string;
  readonly locale: string;
  readonly timeZone: string;
  readonly payload: Readonly<Record<string, string>>;
  readonly conversationId: string | undefined;
  /** The gateway's number for the ticket, by which people find it. */
  readonly ticketId: string | undefined;
}

/** A payload is parsed where it comes out of the database. */
export const Payload = z.record(z.string(), z.string()).catch({});

interface Words {
  readonly title: (told: ToldAbout) => string;
  readonly reason: (reason: string) => string;
  readonly labels: Readonly<Record<'reason' | 'priority' | 'due' | 'conversation' | 'ticket' | 'stage', string>>;
  readonly priorities: Readonly<Record<string, string>>;
  readonly test: string;
  readonly firstOfHour: string;
}

const PORTUGUESE_REASONS: Readonly<Record<string, string>> = {
  'customer-asked': 'o cliente pediu uma pessoa',
  threat: 'o cliente falou em Procon, processo ou algo assim',
  'tenant-rule': 'uma regra da empresa pede uma pessoa',
  vip: 'é um cliente VIP',
  'nothing-found': 'o bot não achou resposta',
  'unsure-twice': 'o bot não teve certeza duas vezes',
  'unreadable-twice': 'o bot não consegue ler o que o cliente manda',
  'model-unavailable': 'o modelo não respondeu a tempo',
  'delivery-failed': 'uma mensagem não pôde ser entregue',
  'send-unconfirmed': 'não se sabe se uma mensagem chegou',
  'turn-failed': 'o bot falhou ao decidir a resposta',
  'too-old': 'a mensagem ficou tempo demais sem resposta',
  loop: 'parecem dois robôs conversando',
  'contact-limit': 'o limite de mensagens do cliente foi atingido',
  firewall: 'a resposta do bot foi barrada',
  'outside-hours': 'a mensagem chegou fora do horário',
};

const ENGLISH_REASONS: Readonly<Record<string, string>> = {
  'customer-asked': 'the customer asked for a person',
  threat: 'the customer spoke of a complaint office, a lawsuit or the like',
  'tenant-rule': 'a rule of the company asks for a person',
  vip: 'the customer is a VIP',
  'nothing-found': 'the bot found no answer',
  'unsure-twice': 'the bot was unsure twice',
  'unreadable-twice': 'the bot cannot read what the customer sends',
  'model-unavailable': 'the model did not answer in time',
  'delivery-failed': 'a message could not be delivered',
  'send-unconfirmed': 'it is not known whether a message arrived',
  'turn-failed': 'the bot failed to decide on an answer',
  'too-old': 'the message stayed without an answer for too long',
  loop: 'two robots seem to be talking',
  'contact-limit': 'the customer has reached the limit of messages',
  firewall: 'the answer of the bot was stopped',
  'outside-hours': 'the message came outside of business hours',
};

const PORTUGUESE_CLOCKS: Readonly<Record<string, string>> = {
  'first-response': 'primeira resposta',
  'next-response': 'próxima resposta',
  resolution: 'solução',
};
const ENGLISH_CLOCKS: Readonly<Record<string, string>> = {
  'first-response': 'first response',
  'next-response': 'next response',
  resolution: 'resolution',
};

const PORTUGUESE: Words = {
  title: ({ kind, company, payload }) => {
    switch (kind) {
      case 'handoff':
        return `${company}: um cliente espera por uma pessoa`;
      case 'sla-warning':
        return `${company}: o prazo está acabando (${PORTUGUESE_CLOCKS[payload.clock ?? ''] ?? 'SLA'})`;
      case 'sla-breach':
        return `${company}: o prazo foi estourado (${PORTUGUESE_CLOCKS[payload.clock ?? ''] ?? 'SLA'})`;
      case 'dead-letter':
        return `${company}: um trabalho desistiu e espera por uma decisão`;
      case 'test':
        return `${company}: teste de aviso`;
    }
  },
  reason: (reason) => PORTUGUESE_REASONS[reason] ?? reason,
  labels: {
    reason: 'Motivo',
    priority: 'Prioridade',
    due: 'Prazo',
    conversation: 'Conversa',
    ticket: 'Ticket',
    stage: 'Etapa',
  },
  priorities: { low: 'baixa', normal: 'normal', high: 'alta', urgent: 'urgente' },
  test: 'Este aviso só mostra que os próximos vão chegar aqui.',
  firstOfHour: 'É o primeiro desta hora com este motivo; pode haver outros.',
};

const ENGLISH: Words = {
  title: ({ kind, company, payload }) => {
    switch (kind) {
      case 'handoff':
        return `${company}: a customer is waiting for a person`;
      case 'sla-warning':
        return `${company}: time is running out (${ENGLISH_CLOCKS[payload.clock ?? ''] ?? 'SLA'})`;
      case 'sla-breach':
        return `${company}: the time is over (${ENGLISH_CLOCKS[payload.clock ?? ''] ?? 'SLA'})`;
      case 'dead-letter':
        return `${company}: work gave up and waits for a decision`;
      case 'test':
        return `${company}: a test notification`;
    }
  },
  reason: (reason) => ENGLISH_REASONS[reason] ?? reason,
  labels: {
    reason: 'Reason',
    priority: 'Priority',
    due: 'Due',
    conversation: 'Conversation',
    ticket: 'Ticket',
    stage: 'Stage',
  },
  priorities: { low: 'low', normal: 'normal', high: 'high', urgent: 'urgent' },
  test: 'This one only shows that the next ones will arrive here.',
  firstOfHour: 'It is the first of this hour with this reason; there may be others.',
};

/** What people read: a title of one line, and short lines below it, in the tenant's language. */
export function noticeText(told: ToldAbout): Pick<Notice, 'title' | 'lines'> {
  const words = told.locale.toLowerCase().startsWith('pt') ? PORTUGUESE : ENGLISH;
  if (told.kind === 'test') return { title: oneLine(words.title(told)), lines: [words.test] };
  const { reason, priority, dueAt, stage } = told.payload;
  const { labels } = words;
  const facts: readonly (readonly [string, string | undefined])[] = [
    [labels.stage, stage],
    [labels.reason, reason && words.reason(reason)],
    [labels.priority, priority && (words.priorities[priority] ?? priority)],
    [labels.due, dueAt && localTime(dueAt, told)],
    [labels.ticket, told.ticketId],
    [labels.conversation, told.conversationId],
  ];
  const lines = facts.flatMap(([label, value]) => (value === undefined ? [] : [`${label}: ${oneLine(value)}`]));
  return {
    title: oneLine(words.title(told)),
    lines: told.kind === 'dead-letter' ? [...lines, words.firstOfHour] : lines,
  };
}

/** How loud it is. A dead letter has called its person already, where a customer waits. */
export function severityOf({ kind, payload }: Pick<ToldAbout, 'kind' | 'payload'>): Notice['severity'] {
  if (kind === 'test') return 'info';
  if (kind === 'sla-breach' || payload.priority === 'urgent') return 'critical';
  return 'warning';
}

function localTime(instant: string, { timeZone, locale }: ToldAbout): string {
  const local = DateTime.fromISO(instant, { zone: timeZone, locale });
  return local.isValid ? local.toFormat('dd/LL/yyyy HH:mm ZZ') : instant;
}

/** The name of a company is typed by somebody, and a line's end may mean something where the text goes. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').trim();
}
