/** A fictional person who writes to the demo company. */
export interface DemoCustomer {
  readonly id: string;
  readonly name: string;
  /** Digits with country and area code; 99999-000x belongs to nobody. */
  readonly phone: string;
  /** The avatar's background. Dark enough for white letters. */
  readonly colour: string;
  /** What this person might ask, spelt as people spell on a phone. The articles answer all of it. */
  readonly examples: readonly [string, string, string];
}

export const DEMO_CUSTOMERS: readonly DemoCustomer[] = [
  {
    id: 'ana',
    name: 'Ana Souza',
    phone: '5511999990001',
    colour: '#a8442a',
    examples: [
      'oi, q horas abre a loja de pinheiros no sábado?',
      'quanto custa a taxa de entrega? moro a uns 5 km',
      'aceita vale refeição na entrega?',
    ],
  },
  {
    id: 'bia',
    name: 'Bia Fernandes',
    phone: '5511999990002',
    colour: '#7a4b8f',
    examples: [
      'boa tarde! com quanto tempo de antecedência encomendo um bolo de cenoura com brigadeiro?',
      'o pão de queijo do balcão é seguro pra celíaco?',
      'se eu cancelar a encomenda do bolo, devolvem o dinheiro?',
    ],
  },
  {
    id: 'carlos',
    name: 'Carlos Nakamura',
    phone: '5511999990003',
    colour: '#1f6f78',
    examples: [
      'minha entrega ta atrasada faz mais de 30 min, e agora??',
      'paguei o pix e continua aguardando pagamento',
      'preciso da nota fiscal com cnpj, como faço',
    ],
  },
  {
    id: 'lourdes',
    name: 'Lourdes Oliveira',
    phone: '5511999990004',
    colour: '#8a5a00',
    examples: [
      'Bom dia. Que horas sai o pao frances quentinho na Vila Mariana?',
      'quantos pontos precisa no clube da vila pra ganhar desconto?',
      'Vocês abrem no feriado?',
    ],
  },
  {
    id: 'eduardo',
    name: 'Eduardo Lima',
    phone: '5511999990005',
    colour: '#3d5a99',
    examples: [
      'qto fica o coffee break completo por pessoa?',
      'tenho uma cafeteria, qual o pedido mínimo pra fornecimento?',
      'como faço pra pausar a assinatura de pães essa semana',
    ],
  },
];
