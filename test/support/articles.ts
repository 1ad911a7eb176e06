/** What the bakery and the clinic of the tests know. */
export const BAKERY_ARTICLES = [
  {
    title: 'Horário de funcionamento',
    text: 'A loja da Vila abre de segunda a sábado, das 7h às 20h. Aos domingos, das 8h às 13h.',
  },
  {
    title: 'Entrega',
    text: 'Entregamos em até 5 km da loja. A taxa de entrega é de R$ 8,00 e o prazo é de 60 minutos.',
  },
  {
    title: 'Formas de pagamento',
    text: 'Aceitamos Pix, dinheiro e cartão de crédito ou débito. Não aceitamos cheque.',
  },
];

export const CLINIC_ARTICLES = [
  {
    title: 'Marcar consulta',
    text: 'As consultas são marcadas por aqui. A consulta de rotina custa R$ 180,00 e dura 40 minutos.',
  },
];
