/** A machine that answers us: a small script with no memory but of what it was told and how often it has spoken. */
export interface ScriptedBot {
  readonly id: string;
  /** What it says the `turn`th time (from 1), having heard these texts of ours last. */
  readonly says: (turn: number, heard: readonly string[]) => readonly [string, ...string[]];
  /** Milliseconds until it says so, for a text of this length. `dice` gives numbers from 0 to 1, the same in every run. */
  readonly waits: (length: number, dice: () => number) => number;
}

const AT_ONCE = (): number => 350;
const SOON = (_length: number, dice: () => number): number => 700 + dice() * 900;
const EVERY_30_S = (_length: number, dice: () => number): number => 30_000 + dice() * 400;
const EVERY_12_S = (_length: number, dice: () => number): number => 12_000 + dice() * 200;
/** Reads, thinks and types as a person would: some five characters a second, now faster, now slower. */
const LIKE_A_PERSON = (length: number, dice: () => number): number =>
  2_000 + dice() * 9_000 + (length / 5) * 1_000 * (0.6 + dice());

const always =
  (...texts: readonly [string, ...string[]]): ScriptedBot['says'] =>
  () =>
    texts;

/** One after the other, and then from the start. */
const inTurn =
  (first: string, ...others: readonly string[]): ScriptedBot['says'] =>
  (turn) => [[first, ...others][(turn - 1) % (others.length + 1)] ?? first];

/** The same text with another word in it each time. */
const varying =
  (text: (word: string) => string, words: readonly [string, ...string[]]): ScriptedBot['says'] =>
  (turn) => [text(words[(turn - 1) % words.length] ?? words[0])];

const MENU =
  'Bem-vindo à Imobiliária Modelo!\nDigite 1 para comprar\nDigite 2 para alugar\nDigite 3 para falar com o financeiro\nDigite 0 para encerrar';
const SUBMENUS = [
  'Você escolheu Comprar. Digite 1 para apartamentos, 2 para casas ou 0 para voltar.',
  'Apartamentos. Digite 1 para até 2 quartos, 2 para 3 quartos ou 0 para voltar.',
  'Bairros. Digite 1 para Centro, 2 para Jardim, 3 para Vila ou 0 para voltar.',
  'Faixa de preço. Digite 1 para até 300 mil, 2 para até 500 mil ou 0 para voltar.',
];
const FAQ = [
  'A segunda via da conta pode ser retirada no aplicativo, no site ou em qualquer loja autorizada, informando o CPF do titular e o número da instalação que aparece no canto da fatura.',
  'O prazo para religação é de até 24 horas depois da confirmação do pagamento em área urbana e de até 48 horas em área rural, sem custo na primeira vez do ano.',
  'Para trocar a titularidade leve documento com foto, contrato de locação ou escritura e a última fatura paga a uma loja autorizada, ou peça pelo aplicativo em Meus Serviços.',
  'O consumo mínimo depende do tipo de ligação: 30 kWh para monofásica, 50 kWh para bifásica e 100 kWh para trifásica, mesmo que nada tenha sido usado no mês.',
  'A leitura é feita todo mês entre os dias dez e quinze; se o portão estiver fechado, a fatura sai pela média dos últimos doze meses e é acertada depois.',
  'Débito automático vale para os principais bancos e começa na fatura seguinte à do pedido; até lá continue pagando pelo código de barras ou por Pix.',
  'Descontos da tarifa social são para famílias inscritas no cadastro único, com renda de até meio salário mínimo por pessoa, e renovam a cada dois anos.',
];
const SHORT_FAQ = [
  'Nosso endereço está no site da loja.',
  'Parcelamos tudo em até doze vezes.',
  'Garantia de fábrica vale por um ano.',
  'Frete grátis acima de cem reais.',
  'Retirada na loja em duas horas úteis.',
  'Montagem é cobrada à parte, por peça.',
  'Estacionamento fica nos fundos do prédio.',
];

/** Thirty of them, as they are met on WhatsApp. */
export const SCRIPTED_BOTS: readonly ScriptedBot[] = [
  { id: 'menu-at-once', says: always(MENU), waits: AT_ONCE },
  { id: 'menu-like-a-person', says: always(MENU), waits: LIKE_A_PERSON },
  { id: 'menu-every-30-s', says: always(MENU), waits: EVERY_30_S },
  {
    id: 'menu-that-refuses',
    says: (turn) => (turn === 1 ? [MENU] : ['Opção inválida. Por favor, tente novamente.']),
    waits: SOON,
  },
  {
    id: 'menu-and-refusal-in-turn',
    says: inTurn('Não entendi. Vamos recomeçar?', 'Por favor, informe o número do seu contrato.'),
    waits: SOON,
  },
  { id: 'menu-with-submenus', says: (turn) => [SUBMENUS[(turn - 1) % SUBMENUS.length] ?? MENU], waits: SOON },
  {
    id: 'menu-with-emoji-digits',
    says: always('Escolha uma opção:\n1️⃣ Financeiro\n2️⃣ Suporte\n3️⃣ Vendas', 'Estamos por aqui! 💙'),
    waits: LIKE_A_PERSON,
  },
  {
    id: 'menu-in-english',
    says: always('Welcome to Model Bank! Press 1 for cards, press 2 for loans, press 9 to repeat this menu.'),
    waits: SOON,
  },
  {
    id: 'away-message',
    says: always('Olá! No momento estamos fora do escritório. Retornaremos assim que possível.'),
    waits: SOON,
  },
  {
    id: 'away-message-every-30-s',
    says: always('Oi, sumi! Volto na segunda e te respondo, tá?'),
    waits: EVERY_30_S,
  },
  {
    id: 'away-message-of-whatsapp-business',
    says: always('Agradecemos sua mensagem. Não estamos disponíveis no momento, mas responderemos assim que possível.'),
    waits: AT_ONCE,
  },
  {
    id: 'away-message-like-a-person',
    says: always('Oie, tô de férias até dia 10, depois eu vejo isso com você!'),
    waits: LIKE_A_PERSON,
  },
  {
    id: 'away-message-with-the-time',
    says: (turn) => [`Recebido às 14:${20 + turn}. Nosso horário é das 8h às 18h. Aguarde, por favor.`],
    waits: SOON,
  },
  { id: 'echo', says: (turn, heard) => (turn === 1 ? ['Oi!'] : [heard.at(-1) ?? 'Oi!']), waits: AT_ONCE },
  {
    id: 'echo-with-a-preface',
    says: (turn, heard) => (turn === 1 ? ['Oi!'] : [`Você disse: ${heard.at(-1) ?? ''}`]),
    waits: EVERY_12_S,
  },
  {
    id: 'echo-like-a-person',
    says: (turn, heard) => (turn === 1 ? ['Oi!'] : [(heard.at(-1) ?? 'Oi!').toUpperCase()]),
    waits: LIKE_A_PERSON,
  },
  { id: 'faq-at-once', says: (turn) => [FAQ[(turn - 1) % FAQ.length] ?? ''], waits: SOON },
  { id: 'faq-every-30-s', says: (turn) => [FAQ[(turn - 1) % FAQ.length] ?? ''], waits: EVERY_30_S },
  { id: 'faq-in-short-at-once', says: (turn) => [SHORT_FAQ[(turn - 1) % SHORT_FAQ.length] ?? ''], waits: AT_ONCE },
  {
    id: 'faq-in-short-every-12-s',
    says: (turn) => [SHORT_FAQ[(turn - 1) % SHORT_FAQ.length] ?? ''],
    waits: EVERY_12_S,
  },
  {
    id: 'faq-of-two-answers',
    says: inTurn(FAQ[0] ?? '', FAQ[1] ?? ''),
    waits: LIKE_A_PERSON,
  },
  {
    id: 'delivery-tracker',
    says: (turn) => [
      `Seu pacote BR00000${turn}4417 está em trânsito. Última atualização: 21/11 às 1${turn}:05. Acompanhe pelo aplicativo.`,
    ],
    waits: SOON,
  },
  {
    id: 'delivery-tracker-step-by-step',
    says: varying(
      (place) => `Seu pedido está em ${place} e segue no prazo. Avisaremos a cada nova etapa da entrega.`,
      ['Jundiaí', 'Campinas', 'Limeira', 'Araras', 'Leme', 'Porto Ferreira'],
    ),
    waits: LIKE_A_PERSON,
  },
  {
    id: 'code-by-sms',
    says: (turn) => [`Seu código de verificação é 8${turn}31${turn}9. Não o informe a ninguém.`],
    waits: EVERY_30_S,
  },
  {
    id: 'ourselves-unsure',
    says: inTurn(
      'Olá! Aqui é o assistente virtual de Clínica Sorriso. Como posso ajudar?\n\nPara falar com uma pessoa, escreva *atendente*.',
      'Não tenho certeza da resposta e não quero te informar errado. Pode me contar com outras palavras? Se preferir falar com uma pessoa, escreva *atendente*.',
      'Não tenho certeza da resposta e não quero te informar errado. É sobre um destes assuntos?\n• Consultas\n• Convênios\n\nSe preferir falar com uma pessoa, escreva *atendente*.',
    ),
    waits: LIKE_A_PERSON,
  },
  {
    id: 'ourselves-quoting',
    says: (turn) => [
      `Encontrei isto em “Artigo ${turn}”:\n\n${SHORT_FAQ[turn % SHORT_FAQ.length] ?? ''}\n\nSe não era isso, conte com outras palavras ou escreva *atendente* para falar com uma pessoa.`,
    ],
    waits: LIKE_A_PERSON,
  },
  {
    id: 'ourselves-in-english',
    says: inTurn(
      'Hello! This is the virtual assistant of Model Dental. How can I help?',
      "I'm not sure, and I don't want to tell you something wrong. Could you put it in other words? To talk to a person, write *human*.",
      "I'm not sure, and I don't want to tell you something wrong. Is it about one of these?\n• Prices\n\nTo talk to a person, write *human*.",
    ),
    waits: LIKE_A_PERSON,
  },
  {
    id: 'greeter',
    says: inTurn('Olá! Tudo bem? Como posso ajudar?', 'Olá! Que bom falar com você! Como posso ajudar?'),
    waits: LIKE_A_PERSON,
  },
  {
    id: 'one-word-varies',
    says: varying(
      (name) => `Olá ${name}, recebemos a sua solicitação e um consultor entrará em contato em breve.`,
      ['cliente', 'amigo', 'parceiro', 'visitante', 'associado'],
    ),
    waits: LIKE_A_PERSON,
  },
  {
    id: 'one-adjective-varies',
    says: varying(
      (adjective) => `Que mensagem ${adjective}! Conte mais sobre o que você procura na nossa loja.`,
      ['ótima', 'bacana', 'interessante', 'legal', 'bonita', 'especial'],
    ),
    waits: EVERY_30_S,
  },
];
