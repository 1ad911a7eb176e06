import { describe, expect, it } from '@jest/globals';
import { composeReply, fillSchema } from './grounded-brain.ts';

const SYSTEM = `Você atende os clientes da padaria. Responda só com o que está nas passagens.
<passage id="1" title="Horário de funcionamento">A Padaria Aurora abre de segunda a sábado, das 7h às 20h. Aos domingos abrimos das 8h às 13h. Nos feriados não abrimos.</passage>
<passage id="2" title="Entregas">Entregamos em até 5 km. A taxa de entrega é de R$ 6,00 e o prazo é de 40 minutos. Acima de R$ 80,00 a entrega é grátis.</passage>
<passage id="3" title="Pagamento">Aceitamos Pix, cartão de crédito &amp; débito e dinheiro. Não aceitamos cheque.</passage>
<passage id="4" title="Encomendas">Bolos precisam ser encomendados com 48 horas de antecedência. O bolo de cenoura custa R$ 45,00 o quilo.</passage>
<passage id="5" title="Trocas">Produtos com defeito podem ser trocados no mesmo dia, com a nota.</passage>`;

function asks(text: string): ReturnType<typeof composeReply> {
  return composeReply(SYSTEM, `Mensagem do cliente:\n<customer>${text}</customer>`);
}

describe('a question that the passages answer', () => {
  it.each([
    ['Qual o horário de funcionamento?', '7h às 20h'],
    ['vcs abrem domingo?', '8h às 13h'],
    ['Que horas fecham no sábado?', '7h às 20h'],
    ['Quanto custa a taxa de entrega?', 'R$ 6,00'],
    ['qual o prazo da entrega', '40 minutos'],
    ['Aceitam pix?', 'Pix'],
    ['Posso pagar com cartao?', 'cartão de crédito & débito'],
    ['Quanto custa o bolo de cenoura?', 'R$ 45,00'],
    ['Com quanta antecedência encomendo um bolo?', '48 horas'],
    ['Oi, bom dia! Veio com defeito, posso trocar?', 'trocados no mesmo dia'],
  ])('%s is answered in their words, and surely', (question, expected) => {
    const { reply, confidence, wantsHuman } = asks(question);

    expect(reply).toContain(expected);
    expect(confidence).toBeGreaterThanOrEqual(0.65);
    expect(wantsHuman).toBe(false);
  });

  it('brings no price of another passage along', () => {
    expect(asks('Vocês aceitam dinheiro?').reply).not.toContain('R$');
  });
});

describe('a question that they do not answer', () => {
  it.each(['Vocês vendem geladeira?', 'Qual o CNPJ da empresa?', 'Tem vaga de estágio?', 'asdfgh', '???', ''])(
    '%p gets no invented answer',
    (question) => {
      const { reply, confidence } = asks(question);

      expect(reply).toContain('Não encontrei');
      expect(confidence).toBeLessThan(0.3);
    },
  );

  it('is any question where there are no passages', () => {
    expect(composeReply('Regras.', 'Qual o horário?').confidence).toBeLessThan(0.3);
  });
});

describe('small talk', () => {
  it.each([
    ['Oi', 'Olá!'],
    ['Olá, tudo bem?', 'Olá!'],
    ['bom dia', 'Bom dia!'],
    ['Boa tarde!', 'Boa tarde!'],
    ['boa noite', 'Boa noite!'],
    ['Muito obrigada!', 'Por nada!'],
    ['valeu', 'Por nada!'],
  ])('%s is answered in kind', (text, beginning) => {
    const { reply, confidence } = asks(text);

    expect(reply.startsWith(beginning)).toBe(true);
    expect(confidence).toBeGreaterThan(0.9);
  });
});

describe('a wish for a person', () => {
  it.each([
    'quero falar com um atendente',
    'Posso falar com uma pessoa?',
    'Me passa para um humano por favor',
    'atendente',
    'preciso de atendimento humano',
    'chama o gerente',
  ])('%s is understood', (text) => {
    expect(asks(text).wantsHuman).toBe(true);
  });

  it.each(['Um bolo para uma pessoa custa quanto?', 'não quero falar com atendente', 'Qual o horário?'])(
    '%s is none',
    (text) => {
      expect(asks(text).wantsHuman).toBe(false);
    },
  );
});

describe('a schema', () => {
  const composed = { reply: 'Olá!', confidence: 0.9, wantsHuman: true };

  it('is filled field by field, whatever its names', () => {
    const schema = {
      type: 'OBJECT',
      properties: {
        kind: { type: 'STRING', enum: ['answer', 'question'] },
        resposta: { type: 'STRING' },
        certeza: { type: 'NUMBER' },
        wantsHuman: { type: 'BOOLEAN' },
        isSpam: { type: 'boolean' },
        sources: { type: 'ARRAY' },
      },
    };

    expect(JSON.parse(fillSchema(schema, composed))).toEqual({
      kind: 'answer',
      resposta: 'Olá!',
      certeza: 0.9,
      wantsHuman: true,
      isSpam: false,
      sources: [],
    });
  });

  it('that was not given leaves plain words', () => {
    expect(fillSchema(undefined, composed)).toBe('Olá!');
  });
});
