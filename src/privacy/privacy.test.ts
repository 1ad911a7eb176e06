import { describe, expect, it } from '@jest/globals';
import { wantsOptIn, wantsOptOut } from './privacy.ts';

/** Our own sentences, as people write them. */
const OPT_OUTS = [
  'SAIR',
  'sair',
  'Sair.',
  'quero sair',
  'SAIR por favor',
  'PARAR',
  'PARE',
  'pare!!!',
  'Parem',
  'Por favor, pare',
  'STOP',
  'stop',
  'Stop please',
  'STOPALL',
  'unsubscribe',
  'CANCELAR INSCRIÇÃO',
  'cancelar inscricao',
  'Cancelar minha inscrição',
  'quero cancelar a inscrição',
  'DESCADASTRAR',
  'descadastrar por favor',
  'Descadastre',
  'me descadastre, por favor',
  'quero me descadastrar',
  'não quero mais receber mensagens',
  'Nao quero mais receber mensagens de vocês',
  'Não quero receber mensagem nenhuma. Não quero mais receber mensagens',
  'nao quero mais receber nada de vcs',
  'Boa tarde, não quero mais receber mensagens, obrigado',
  'eu não quero mais receber essas mensagens',
  'não desejo receber mais mensagens',
  'não quero mais receber propaganda',
  'Não autorizo receber mensagens',
  'quero parar de receber mensagens',
  'Quero deixar de receber suas mensagens',
  'parem de me mandar mensagem',
  'Para de mandar mensagem pra mim',
  'pode parar de me enviar mensagens',
  'Parem de me perturbar',
  'não me mande mais mensagens',
  'não me mandem mais nada',
  'Não mandem mais mensagens para mim',
  'me tira da lista',
  'Me tirem da lista!',
  'tira meu número da lista de vocês',
  'remova meu número',
  'Stop texting me',
  'please stop sending me messages',
  "don't text me anymore",
  "I don't want to receive any more messages",
  'Remove me from your list',
];

/** Their look-alikes: whoever writes one of these wants an answer. */
const QUESTIONS = [
  'quero parar de receber o boleto por e-mail',
  'como faço para sair do plano?',
  'Quero sair do plano família',
  'A que horas sai o pão?',
  'sai do forno que horas?',
  'O motoboy já saiu? Que horas ele vai sair?',
  'meu pedido ainda não saiu para entrega',
  'posso sair e voltar na mesma entrada?',
  'como saio do grupo?',
  'Quero cancelar meu pedido',
  'cancelar',
  'quero cancelar a assinatura',
  'cancelar a compra de ontem',
  'preciso cancelar minha inscrição no curso de confeitaria',
  'Como cancelo a inscrição da minha filha na prova?',
  'O aplicativo parou de funcionar',
  'parou de chover, vocês abrem?',
  'pode parar o carro aí na frente?',
  'Onde posso parar para retirar?',
  'O ônibus para na frente da loja?',
  'a máquina não para de apitar',
  'não para de chover aqui, entregam mesmo assim?',
  'não recebi a mensagem com o código',
  'não estou recebendo mensagens de confirmação',
  'Não quero receber o pedido hoje, pode ser amanhã?',
  'não quero mais o bolo, quero a torta',
  'não quero receber em casa, prefiro retirar',
  'não quero receber a fatura impressa',
  'quero deixar de receber a fatura pelo correio',
  'como faço para parar de receber a revista?',
  'vocês mandam mensagem quando o pedido sair?',
  'não me mandaram o comprovante',
  'Não me mande o bolo de ontem, por favor',
  'Me manda a lista de preços?',
  'tem como tirar um item da lista do pedido?',
  'Quero remover meu número antigo do cadastro e colocar outro',
  'como faço o descadastro do meu cartão?',
  'qual é o prazo para descadastrar o débito automático?',
  'quero me descadastrar do débito automático',
  'does the bus stop here?',
  'Can I stop by at 5?',
  'My order stopped at customs',
  'Is there a non-stop flight?',
  'I do not want to receive it today',
  "Don't send it by mail, I'll pick it up",
  'Bom dia, queria sair mais cedo da consulta, posso?',
  'quando vocês param para o almoço?',
  'quero receber mensagens sobre promoções',
  'Por que parei de receber mensagens de vocês?',
  'posso voltar amanhã?',
  '',
];

describe('a customer who wants to be left alone', () => {
  it.each(OPT_OUTS)('is understood without a model: %s', (text) => {
    expect(wantsOptOut(text)).toBe(true);
  });

  it.each(QUESTIONS)('is not imagined: %s', (text) => {
    expect(wantsOptOut(text)).toBe(false);
  });

  it('is not looked for in what is too long to be a wish', () => {
    expect(wantsOptOut(`sair ${'a '.repeat(200)}. sair`)).toBe(false);
  });
});

describe('a customer who wants to hear from the bot again', () => {
  it.each(['VOLTAR', 'voltar', 'Voltar, por favor', 'quero voltar', 'START', 'start', 'quero receber mensagens'])(
    'is understood: %s',
    (text) => {
      expect(wantsOptIn(text)).toBe(true);
    },
  );

  it.each(['posso voltar amanhã?', 'quero voltar o pedido', 'sair', 'oi', 'vou voltar aí mais tarde', ''])(
    'is not imagined: %s',
    (text) => {
      expect(wantsOptIn(text)).toBe(false);
    },
  );
});
