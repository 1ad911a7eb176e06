import { describe, expect, it } from '@jest/globals';
import type { FoundPassage } from '../knowledge/knowledge.ts';
import { DocumentId, newId } from '../vocabulary/ids.ts';
import { offlineAnswer } from './offline-answer.ts';
import { phrasesFor } from './phrases.ts';

const WORDS = { phrases: phrasesFor('pt-BR'), company: 'Padaria da Vila' };

function passage(title: string, score: number, more: Partial<FoundPassage> = {}): FoundPassage {
  return { documentId: newId(DocumentId), title, text: `Tudo sobre ${title}.`, score, ...more };
}

describe('an answer without a model', () => {
  it('quotes the article that clearly fits', () => {
    const answer = offlineAnswer('taxa?', [passage('Entrega', 0.8), passage('Horário', 0.5)], WORDS);

    expect(answer.isUnsure).toBe(false);
    expect(answer.text).toContain('“Entrega”');
    expect(answer.text).toContain('Tudo sobre Entrega.');
    expect(answer.text).toContain('*atendente*');
  });

  it.each<[string, readonly FoundPassage[]]>([
    ['none fits well', [passage('Entrega', 0.54)]],
    ['two fit as well as each other', [passage('Entrega', 0.8), passage('Horário', 0.75)]],
  ])('says that it is unsure and offers topics where %s', (...[, passages]) => {
    const answer = offlineAnswer('taxa?', passages, WORDS);

    expect(answer.isUnsure).toBe(true);
    for (const { title } of passages) expect(answer.text).toContain(`• ${title}`);
    expect(answer.text).not.toContain('Tudo sobre');
  });

  it('quotes when the second best is another part of the same article', () => {
    const best = passage('Entrega', 0.8);

    expect(offlineAnswer('taxa?', [best, { ...best, score: 0.79 }], WORDS).isUnsure).toBe(false);
  });

  it('offers three topics at most, each once', () => {
    const passages = ['A', 'A', 'B', 'C', 'D'].map((title) => passage(title, 0.1));

    const { text } = offlineAnswer('taxa?', passages, WORDS);

    expect(text.match(/^• .$/gm)).toEqual(['• A', '• B', '• C']);
  });

  it('asks for other words where nothing was found', () => {
    expect(offlineAnswer('xyz', [], WORDS).text).toContain('com outras palavras');
  });

  it.each(['Oi', 'olá', 'Olá!', 'Bom dia, tudo bem?', 'e aí', 'Hello', 'oiii'])('greets back: %s', (greeting) => {
    const answer = offlineAnswer(greeting, [passage('Entrega', 0.2)], WORDS);

    expect(answer.text).toContain('assistente virtual de Padaria da Vila');
    expect(answer.isUnsure).toBe(false);
  });

  it.each(['Oi, qual é a taxa?', 'olaria', 'bom dia de entrega'])(
    'does not take a question for a greeting: %s',
    (question) => {
      expect(offlineAnswer(question, [], WORDS).isUnsure).toBe(true);
    },
  );

  it('ends a long quotation at a sentence', () => {
    const long = passage('Entrega', 0.9, { text: 'Uma frase de exemplo. '.repeat(80) });

    const { text } = offlineAnswer('taxa?', [long], WORDS);

    expect(text.length).toBeLessThan(1_200);
    expect(text).toMatch(/exemplo\.\n\nSe não era isso/);
  });
});
