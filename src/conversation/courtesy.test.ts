import { describe, expect, it } from '@jest/globals';
import { NOON, turnOver, unanswered } from '../../test/support/turns.ts';
import { BusinessCalendarSetting } from '../vocabulary/business-calendar.ts';
import { newId, TenantId } from '../vocabulary/ids.ts';
import { TenantSettings } from '../tenants/tenants.ts';
import type { Tenant } from '../tenants/tenants.ts';
import type { CourtesyState, Decision, Turn } from './conversation.ts';
import { courtesyPhrasesFor } from './courtesy-phrases.ts';
import { decideByCourtesy, withCourtesies } from './courtesy.ts';

/** 2026-08-01 is a Saturday; noon in UTC is nine in the morning in São Paulo. */
const WEEKDAYS_ONLY = BusinessCalendarSetting.parse({ week: { monday: [{ from: '09:00', to: '18:00' }] } });
const KNOWN: CourtesyState = { isOptedOut: false, introducedAt: NOON, awaySaidAt: undefined, surveyId: undefined };

function tenantWith(settings: object = {}, locale = 'pt-BR'): Tenant {
  return {
    id: newId(TenantId),
    slug: 'padaria',
    name: 'Padaria',
    plan: undefined,
    locale,
    timeZone: 'America/Sao_Paulo',
    settings: TenantSettings.parse(settings),
    createdAt: NOON,
  };
}

function turnOf(texts: readonly string[], state: Partial<CourtesyState> = {}, more: Partial<Turn> = {}): Turn {
  return turnOver(
    texts.map((text) => unanswered(text)),
    { courtesy: { ...KNOWN, ...state }, ...more },
  );
}

/** Over what came in so many hours after the last word to the customer. */
function closedTurn(texts: readonly string[], hours: number | undefined): Turn {
  const lastSaidAt = hours === undefined ? undefined : new Date(NOON.getTime() - hours * 3_600_000);
  return turnOf(texts, {}, { owner: 'nobody', lastSaidAt });
}

const brief = (decision: Decision | undefined) =>
  decision && `${decision.kind}${'reason' in decision ? ` ${decision.reason}` : ''}`;

describe('what manners decide', () => {
  it.each<[string, Turn, string | undefined]>([
    ['an ordinary question', turnOf(['Qual é a taxa?']), undefined],
    ['an opt-out', turnOf(['SAIR']), 'reply'],
    ['an opt-out among other things', turnOf(['Qual é a taxa?', 'sair']), 'reply'],
    ['the way back from an opt-out that was repeated first', turnOf(['sair', 'voltar'], { isOptedOut: true }), 'reply'],
    ['an opt-out and the way back', turnOf(['sair', 'voltar']), undefined],
    ['a second opt-out', turnOf(['sair'], { isOptedOut: true }), 'record opted-out'],
    ['a question after an opt-out', turnOf(['Qual é a taxa?'], { isOptedOut: true }), 'record opted-out'],
    ['a wish for a person after an opt-out', turnOf(['atendente'], { isOptedOut: true }), undefined],
    ['a threat after an opt-out', turnOf(['vou no Procon'], { isOptedOut: true }), undefined],
    ['VOLTAR before any opt-out', turnOf(['voltar']), undefined],
    ['an opt-out to a person', turnOf(['sair'], {}, { owner: 'human' }), 'leave-to-human'],
    ['a question to a person', turnOf(['oi'], {}, { owner: 'human' }), undefined],
    ['thanks to the bot', turnOf(['ok, obrigado']), undefined],
    ['thanks after a closing', closedTurn(['ok, obrigado'], 1), 'record closing-thanks'],
    ['thanks a day and more after the last word', closedTurn(['ok, obrigado'], 25), undefined],
    ['thanks to whom nothing was ever said', closedTurn(['ok, obrigado'], undefined), undefined],
    ['a number after a closing', turnOf(['5'], {}, { owner: 'nobody' }), undefined],
    ['a number that was asked for', turnOf(['5'], { surveyId: 's' }, { owner: 'nobody' }), 'record csat-answer'],
    ['a mark and thanks', turnOf(['5', 'obrigado!'], { surveyId: 's' }, { owner: 'nobody' }), 'record csat-answer'],
    ['a mark and an order', turnOf(['Show! me manda o pix'], { surveyId: 's' }, { owner: 'nobody' }), undefined],
    ['a mark and a question', turnOf(['5', 'abrem domingo?'], { surveyId: 's' }, { owner: 'nobody' }), undefined],
    ['a mark and a threat', turnOf(['péssimo, vou no Procon'], { surveyId: 's' }, { owner: 'nobody' }), undefined],
  ])('%s', (...[, turn, decision]) => {
    expect(brief(decideByCourtesy({ turn, tenant: tenantWith() }))).toBe(decision);
  });
});

it('keeps the score that came with an order, which is answered as ever', () => {
  const reply: Decision = { kind: 'reply', bubbles: ['Claro.'], isUnsure: false };
  const csatOf = (...texts: string[]) => {
    const turn = turnOf(texts, { surveyId: 's' }, { owner: 'nobody' });
    return withCourtesies(reply, { turn, tenant: tenantWith() }).courtesies?.csat;
  };

  expect(csatOf('5, me manda o pix')).toMatchObject({ score: 5 });
  expect(csatOf('5', 'me manda o pix')).toMatchObject({ score: 5 });
  expect(csatOf('Show! me manda o pix')).toBeUndefined();
  expect(csatOf('Bom', 'meu pedido veio errado')).toBeUndefined();
  expect(csatOf('oi', 'Bom', 'obrigada')).toMatchObject({ score: 4 });
});

describe('what is said beside an answer', () => {
  const reply: Decision = { kind: 'reply', bubbles: ['Custa R$ 5.'], isUnsure: false };
  const call: Decision = { kind: 'hand-over', reason: 'customer-asked', bubbles: ['Claro!'] };
  const wordsOf = (decision: Decision) => ('bubbles' in decision ? decision.bubbles : undefined);

  it('is nothing on an ordinary day', () => {
    expect(withCourtesies(reply, { turn: turnOf(['oi']), tenant: tenantWith() })).toMatchObject(reply);
  });

  it('is nothing, and no answer either, to who has opted out, whatever has decided', () => {
    const turn = turnOf(['oi'], { isOptedOut: true });
    const late: Decision = { kind: 'hand-over', reason: 'turn-failed', bubbles: ['Não estou conseguindo.'] };

    expect(withCourtesies(reply, { turn, tenant: tenantWith() })).toMatchObject({
      kind: 'record',
      reason: 'opted-out',
    });
    expect(withCourtesies(late, { turn, tenant: tenantWith() })).toMatchObject({ kind: 'hand-over', bubbles: [] });
    expect(wordsOf(withCourtesies(call, { turn, tenant: tenantWith() }))).toEqual(['Claro!']);
  });

  it('is the confirmation of an opt-out that came with a wish for a person', () => {
    const turn = turnOf(['sair', 'atendente']);

    const decision = withCourtesies(call, { turn, tenant: tenantWith() });

    expect(wordsOf(decision)).toEqual([courtesyPhrasesFor('pt-BR').optedOut, 'Claro!']);
    expect(decision.courtesies?.consent).toMatchObject({ kind: 'opt-out' });
  });

  it('is when people are back, in the one sentence of a handoff, by the clock of the company', () => {
    const tenant = tenantWith({ businessCalendar: WEEKDAYS_ONLY });

    expect(wordsOf(withCourtesies(call, { turn: turnOf(['atendente']), tenant }))).toEqual([
      'Claro! Agora estamos fora do horário de atendimento; voltamos segunda-feira às 9h.',
    ]);
  });

  it('is that people are away, once in a closed period and again in the next', () => {
    const tenant = tenantWith({ businessCalendar: WEEKDAYS_ONLY, hours: { outside: 'answer-and-say' } });
    const saidAt = (days: number) => new Date(NOON.getTime() - days * 86_400_000);
    const said = (awaySaidAt: Date | undefined) =>
      withCourtesies(reply, { turn: turnOf(['oi'], { awaySaidAt }), tenant }).courtesies?.saysAway;

    expect(said(undefined)).toBe(true);
    expect(said(saidAt(1))).toBeUndefined();
    expect(said(saidAt(6))).toBe(true);
  });

  it('is said in a bubble of its own where one would be longer than WhatsApp takes', () => {
    const tenant = tenantWith({ businessCalendar: WEEKDAYS_ONLY, hours: { outside: 'answer-and-say' } });
    const lengthsOf = (decision: Decision, introducedAt: Date | undefined) =>
      wordsOf(withCourtesies(decision, { turn: turnOf(['oi'], { introducedAt }), tenant }))?.map(
        ({ length }) => length,
      );
    const long = 'a'.repeat(4_090);

    for (const decision of [
      { ...reply, bubbles: [long] },
      { ...call, bubbles: [long] },
    ] satisfies Decision[]) {
      for (const introducedAt of [NOON, undefined]) {
        const lengths = lengthsOf(decision, introducedAt) ?? [];
        expect(Math.max(...lengths)).toBe(4_090);
        expect(lengths).toHaveLength(introducedAt === undefined ? 3 : 2);
      }
    }
  });

  it('is who speaks, but not twice where a greeting has said it', () => {
    const turn = turnOf(['oi'], { introducedAt: undefined });
    const greeting =
      'Olá! Aqui é o assistente virtual de Padaria. Como posso ajudar?\n\nPara falar com uma pessoa, escreva *atendente*.';

    const greeted = withCourtesies({ ...reply, bubbles: [greeting] }, { turn, tenant: tenantWith() });
    const answered = withCourtesies(reply, { turn, tenant: tenantWith({}, 'en-US') });

    expect(wordsOf(greeted)).toEqual([greeting]);
    expect(greeted.courtesies?.introduces).toBe(true);
    expect(wordsOf(answered)).toEqual([
      "I'm the virtual assistant of Padaria. To talk to a person, write *human*.\n\nCusta R$ 5.",
    ]);
  });
});

describe('when people are back', () => {
  const at = (time: string) => new Date(`2026-${time}-03:00`);
  it.each([
    ['08-01T14:00', 'hoje às 14h', 'today at 2 pm'],
    ['08-02T09:30', 'amanhã às 9h30', 'tomorrow at 9:30 am'],
    ['08-02T01:00', 'amanhã à 1h', 'tomorrow at 1 am'],
    ['08-03T08:00', 'segunda-feira às 8h', 'on Monday at 8 am'],
    ['08-20T08:05', 'em 20/08 às 8h05', 'on August 20 at 8:05 am'],
  ])('is said as people say it: %s', (time, portuguese, english) => {
    const back = (locale: string) =>
      courtesyPhrasesFor(locale).back(at(`${time}:00`), at('08-01T09:00:00'), 'America/Sao_Paulo');

    expect([back('pt-BR'), back('en')]).toEqual([portuguese, english]);
  });
});
