import { describe, expect, it } from '@jest/globals';
import { parseGeminiAnswer, usageOf, writtenText } from './gemini-answer.ts';

function textOf(response: unknown): string {
  return writtenText(parseGeminiAnswer(response));
}

function finished(finishReason: string | undefined, parts: readonly object[] = [{ text: '{}' }]): unknown {
  return { candidates: [{ finishReason, content: { role: 'model', parts } }] };
}

describe('an answer of Gemini', () => {
  it('is what the model wrote, without what it thought', () => {
    const parts = [{ text: 'The customer wants…', thought: true }, { text: '{"reply":' }, { text: '"Oi"}' }];

    expect(textOf(finished('STOP', parts))).toBe('{"reply":"Oi"}');
  });

  it.each(['SAFETY', 'PROHIBITED_CONTENT', 'BLOCKLIST', 'SPII', 'RECITATION'])(
    'that ended with %s is refused',
    (why) => {
      expect(() => textOf(finished(why))).toThrow('MODEL_REFUSED');
    },
  );

  it.each(['MAX_TOKENS', 'LANGUAGE', 'OTHER', 'MALFORMED_FUNCTION_CALL', 'SOMETHING_NEW', undefined])(
    'that ended with %s is unusable',
    (why) => {
      expect(() => textOf(finished(why))).toThrow('MODEL_ANSWER_UNUSABLE');
    },
  );

  it('to a blocked prompt is refused', () => {
    expect(() => textOf({ promptFeedback: { blockReason: 'OTHER' } })).toThrow('MODEL_REFUSED');
  });

  it.each([[{}], [{ candidates: [] }], [{ candidates: 'none' }], [null], [[]], ['text']])(
    'like %j is unusable',
    (response) => {
      expect(() => textOf(response)).toThrow('MODEL_ANSWER_UNUSABLE');
    },
  );

  it('tells its cost, thoughts and cached tokens included', () => {
    const usageMetadata = {
      promptTokenCount: 310,
      candidatesTokenCount: 12,
      thoughtsTokenCount: 80,
      cachedContentTokenCount: 256,
    };

    expect(usageOf(parseGeminiAnswer({ usageMetadata }), 'gemini-x')).toEqual({
      model: 'gemini-x',
      inputTokens: 310,
      outputTokens: 12,
      thoughtTokens: 80,
      cachedTokens: 256,
    });
  });
});
