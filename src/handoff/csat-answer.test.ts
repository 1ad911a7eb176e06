import { describe, expect, it } from '@jest/globals';
import { readCsatAnswer } from './csat-answer.ts';

describe('an answer to the question how the service was', () => {
  it.each([
    ['5', 5],
    [' 5 ', 5],
    ['5!', 5],
    ['1', 1],
    ['0', 1],
    ['cinco', 5],
    ['Três', 3],
    ['um', 1],
    ['nota 5', 5],
    ['nota 10', 5],
    ['Nota: 4', 4],
    ['nota dez', 5],
    ['10', 5],
    ['8', 4],
    ['7', 4],
    ['6', 3],
    ['5/5', 5],
    ['10/10', 5],
    ['4/10', 2],
    ['4 de 5', 4],
    ['dou 4', 4],
    ['Eu dou nota 3', 3],
    ['minha nota é 5', 5],
    ['4,5', 5],
    ['5 estrelas', 5],
    ['cinco estrelas', 5],
    ['uma estrela', 1],
    ['⭐⭐⭐⭐', 4],
    ['⭐', 1],
    ['⭐⭐⭐⭐⭐ amei', 5],
    ['★★★', 3],
    ['5️⃣', 5],
    ['🔟', 5],
    ['👍', 5],
    ['👍🏽', 5],
    ['👎', 1],
    ['😡', 1],
    ['😍😍', 5],
    ['😐', 3],
    ['ótimo', 5],
    ['Ótimo!!', 5],
    ['otima', 5],
    ['Excelente atendimento', 5],
    ['o atendimento foi excelente', 5],
    ['muito bom', 5],
    ['Muito boa', 5],
    ['bom', 4],
    ['Bom 👍', 4],
    ['gostei', 4],
    ['mais ou menos', 3],
    ['regular', 3],
    ['ruim', 2],
    ['não gostei', 2],
    ['não foi bom', 2],
    ['péssimo, demorou', 1],
    ['Péssimo. Demorou demais', 1],
    ['horrível', 1],
    ['muito ruim', 1],
    ['5, ótimo atendimento', 5],
    ['4 - demorou um pouco', 4],
    ['great', 5],
    ['five', 5],
    ['very bad', 1],
    ['5, muito bom, obrigada!', 5],
    ['ótimo! Equipe muito atenciosa, parabéns', 5],
    ['ruim, demorou demais', 2],
    ['com certeza nota 10', 5],
    ['nota10', 5],
    ['👍 valeu', 5],
  ])('is understood however it is typed: %s', (text, score) => {
    expect(readCsatAnswer(text)).toMatchObject({ score, isMoreThanThat: false });
  });

  it.each([
    '5 pães por favor',
    'quero 5',
    'meu pedido 5 não chegou',
    'às 5',
    '5 minutos',
    '10 reais?',
    'bom dia',
    'boa tarde',
    'Boa noite!',
    'nota fiscal',
    'cadê minha nota?',
    'preciso da nota 10245',
    '2 via do boleto',
    '55119888',
    '15',
    'otimo preço vocês tem?',
    'bom saber o preço',
    'um momento',
    'uma pergunta',
    'uma dúvida: vocês abrem domingo?',
    'não',
    'oi',
    'Qual é a taxa de entrega?',
    'atendente',
    '⭐⭐⭐⭐⭐⭐⭐',
    '',
    '12/10',
    'show room abre que horas?',
    `5, ${'muito '.repeat(200)}`,
  ])('is not imagined: %s', (text) => {
    expect(readCsatAnswer(text)).toBeUndefined();
  });

  it('keeps the words that come with it as a comment', () => {
    expect(readCsatAnswer('péssimo, demorou')).toEqual({
      score: 1,
      comment: 'péssimo, demorou',
      isInWords: true,
      isMoreThanThat: false,
    });
    expect(readCsatAnswer('5')?.comment).toBeUndefined();
  });

  it.each([
    '5, mas meu pedido ainda não chegou',
    '3, quando chega?',
    '5 - cancela meu pedido',
    '⭐⭐ veio frio',
    `5, ${'muito '.repeat(40)}`,
  ])('is a message as well when something is not over: %s', (text) => {
    expect(readCsatAnswer(text)).toMatchObject({ isMoreThanThat: true });
  });

  it.each([
    'Bom, meu pedido veio errado',
    'Bom, ainda não chegou',
    'Bom, meu problema',
    'Boa, e o boleto?',
    'Show! me manda o pix',
    'Legal, vou pedir 2 pizzas',
    'Ok, segue meu endereço: Rua das Flores, 10',
    'ótimo! Vocês abrem domingo?',
    'Perfeito, então manda mais três caixas',
    'Top, quero outra camiseta igual',
    'Excelente, aguardo a nota fiscal',
    'ruim, produto quebrado, me liguem',
    'Péssimo, meu bolo chegou amassado',
    'normal, mas cadê o reembolso',
    'Bom, não resolveu',
    'Dois, por favor, de chocolate',
    'Um, o azul',
    'Good, but where is my order',
    '👍 manda o pix',
    '😡 meu pedido veio errado',
  ])('is not heard in a word that begins something else: %s', (text) => {
    expect(readCsatAnswer(text)).toBeUndefined();
  });

  it.each([
    ['Bom, mas demorou um pouco', 4],
    ['Boa!! Obrigada pela ajuda', 4],
    ['legal, resolveu meu problema', 4],
    ['Gostei, fui bem atendida', 4],
    ['ótimo, me ajudou muito', 5],
    ['Excelente! A equipe foi muito atenciosa e rápida', 5],
    ['Perfeito, obrigado', 5],
    ['péssimo, não resolveu', 1],
    ['Péssimo, não resolveram nada', 1],
    ['ruim, esperei demais', 2],
    ['horrível, ninguém me atendeu', 1],
    ['regular, demorou', 3],
    ['cinco, muito bom', 5],
    ['Nota dez! Parabéns', 5],
    ['👍 muito bom', 5],
    ['😡 não resolveram', 1],
  ])('is heard in a word with nothing beside it but praise and blame: %s', (text, score) => {
    expect(readCsatAnswer(text)).toMatchObject({ score, isMoreThanThat: false });
  });
});
