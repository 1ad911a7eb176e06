import { describe, expect, it } from '@jest/globals';
import { computedMs } from '../../test/support/stopwatch.ts';
import { wantsHuman } from './wants-human.ts';

describe('a customer who asks for a person', () => {
  it.each([
    'atendente',
    'Atendente!',
    'ATENDENTE',
    'humano',
    'Quero falar com um atendente',
    'quero falar com alguém',
    'Preciso de um humano',
    'me passa para o gerente',
    'Prefiro tratar com uma pessoa de verdade',
    'tem como me transferir pra um atendente?',
    'chama o responsável por favor',
    'atendimento humano',
    'posso conversar com uma pessoa real?',
    'Oi, quero falar com um humano',
    'não quero robô, quero atendente',
    'me passa para uma pessoa',
    'Pode transferir para outra pessoa?',
    'Quero um bolo para 20 pessoas e falar com um atendente',
    'Não quero falar com robô. Quero falar com alguém!',
    'I want to talk to a human',
    'can I speak with someone?',
  ])('is understood without a model: %s', (text) => {
    expect(wantsHuman(text)).toBe(true);
  });

  it.each([
    'Quanto custa por pessoa?',
    'Quero um bolo para 20 pessoas',
    'preciso de uma torta para uma pessoa',
    'Tem vaga de atendente?',
    'Quero falar sobre a vaga de atendente',
    'Quero um bolo para uma pessoa especial',
    'não quero falar com atendente',
    'Não preciso de humano, só do preço',
    'A atendente foi ótima ontem!',
    'Vocês entregam para outra pessoa?',
    'O humor do gerente estava bom',
    'Qual é a taxa de entrega?',
    'direitos humanos',
    '',
  ])('is not imagined: %s', (text) => {
    expect(wantsHuman(text)).toBe(false);
  });

  it('is looked for in the longest text without stopping everybody else', () => {
    const texts = [
      'falar com '.repeat(6_500),
      'passa'.repeat(13_000),
      'quero '.repeat(10_900),
      'a'.repeat(65_536),
      ' '.repeat(65_000) + 'x',
    ];

    for (const text of texts) {
      const before = computedMs();
      wantsHuman(text);
      expect(computedMs() - before).toBeLessThan(50);
    }
  });
});
