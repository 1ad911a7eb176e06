import { describe, expect, it } from '@jest/globals';
import { computedMs } from '../../test/support/stopwatch.ts';
import { cleanText, describeError } from './error-description.ts';

describe('words about an error', () => {
  it.each([
    ['a phone', 'no answer for 5511988880001'],
    ['a phone as people write it', 'no answer for +55 (11) 98888-0001'],
    ['a phone without its area code', 'no answer for 98888-0001'],
    ['a WhatsApp id', 'no answer for 5511988880001@s.whatsapp.net'],
    ['a CPF', 'cpf 529.982.247-25 is taken'],
    ['a CPF of digits alone', 'cpf 52998224725 is taken'],
    ['a CNPJ', 'cnpj 12.345.678/0001-95 is taken'],
    ['a card', 'card 4111 1111 1111 1111 was refused'],
    ['a card with dashes', 'card 4111-1111-1111-1111 was refused'],
    ['an e-mail address', 'mail to ana.souza+loja@exemplo.com.br failed'],
    ['a text in quotes', 'invalid input syntax for type uuid: "quero cancelar meu plano"'],
    ['a text in single quotes', "cannot use 'quero cancelar meu plano' here"],
    ['a text whose quote was cut off', 'Unexpected token, "quero cancelar meu pla'],
    ['a query string', 'GET https://gateway.example/api?phone=ana&text=cancelar failed'],
    ['a user in an address', 'connect postgres://plantao:segredo@db/plantao failed'],
    ['a bearer token', 'refused: Authorization: Bearer abc.def-ghi'],
    ['a long token', 'refused sk_live_51H8xkAbCdEfGhIjKlMnOpQr'],
  ])('lose %s', (_what, words) => {
    const cleaned = cleanText(words);

    expect(cleaned).not.toMatch(/\d{4}|98888|529|8224|ana|cancelar|plano|segredo|abc|51H8/);
    expect(cleaned).toMatch(/\[(digits|e-mail|quoted|query|user|secret|token)\]/);
  });

  it.each([
    'connect ECONNREFUSED 192.168.100.200:5432',
    'Within 15000 ms it did not come true',
    'duplicate key value violates unique constraint "outbox_turn_id_part_key"',
    "Cannot read properties of undefined (reading 'messages')",
    'No conversation 0190b2c4-1111-7222-8333-123456789012',
    "The worker can't go on",
  ])('keep what is ours: %s', (words) => {
    expect(cleanText(words)).toBe(words);
  });

  it('are bounded', () => {
    expect(cleanText('ai '.repeat(10_000)).length).toBeLessThan(600);
  });

  it('are cleaned in a time that grows with their length alone', () => {
    const before = computedMs();
    for (const nasty of ['1 '.repeat(50_000), '"'.repeat(50_000), 'a@'.repeat(50_000), '(((1'.repeat(20_000)]) {
      cleanText(nasty);
    }

    expect(computedMs() - before).toBeLessThan(2_000);
  });
});

describe('an error', () => {
  it('is described by its kind, its code, its frames and its causes', () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), {
      code: 'ECONNREFUSED',
      syscall: 'connect',
    });
    const described = describeError(new TypeError('It failed', { cause }));

    expect(described).toMatchObject({
      type: 'TypeError',
      message: 'It failed',
      cause: { type: 'Error', code: 'ECONNREFUSED', syscall: 'connect' },
    });
    expect(described.stack).toMatch(/^ {4}at .*error-description\.test\.ts/);
    expect(described.stack).not.toContain('It failed');
  });

  it('takes nothing along that somebody has hung on it', () => {
    const error = Object.assign(new Error('failed'), {
      config: { headers: { authorization: 'Bearer segredo' }, data: 'meu CPF 52998224725' },
      response: { body: 'quero cancelar' },
      detail: 'Key (phone)=(5511988880001) already exists.',
      parameters: ['Ana'],
      code: 'tem espaço e 5511988880001',
    });

    expect(Object.keys(describeError(error)).toSorted()).toEqual(['message', 'stack', 'type']);
  });

  it('whose words look like frames says none of them', () => {
    const error = new Error('failed\n    at home, 5511988880001\n    at work');

    expect(describeError(error).stack).not.toMatch(/at home|at work/);
  });

  it('whose causes go in a circle ends', () => {
    const error = new Error('round');
    error.cause = error;

    expect(JSON.stringify(describeError(error)).match(/"cause"/g)).toHaveLength(5);
  });

  it('that is none is said to be none', () => {
    expect(describeError('5511988880001')).toEqual({ type: 'string', message: '[not an error]' });
  });
});
