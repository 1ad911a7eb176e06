import { foldedText } from '../vocabulary/folded-text.ts';
import { spelledOut } from './phone-spelling.ts';

/** Who may be asked for with any verb of calling. */
const PERSON =
  'atendente|humano|pessoa(?: de verdade| real)?|gente de verdade|alguem|gerente|supervisora?|responsavel|funcionario|(?:a|uma|outra|alguma) funcionaria|vendedora?';
/** Who is asked for in so many words only: a "dono" or a "chefe" is bought presents for as well. */
const PERSON_TALKED_TO = `${PERSON}|gerencia|don[oa]|chefe|encarregad[oa]|coordenadora?|diretora?|proprietari[oa]|representante|consultora?`;
const MACHINE = 'robos?|bot|chatbot|maquinas?|ia|inteligencia artificial';
/** What is said to be polite, or in haste, and means nothing else. */
const MANNERS = '(?:,? (?:por favor|por gentileza|please|ai|agora|ja|logo|urgente|aqui))*';
/** To be, not as it was: "me atendeu" is praise or blame of what is over. */
const CALLS = 'lig(?:ar?|am|uem?)';
const ATTENDS = `(?:atend(?:er?|am?|em|esse)|respond(?:er?|am?|em)|${CALLS})`;
const HELPS = '(?:me )?(?:atend\\w+|fal(?:ar|e|a)|respond\\w+|ajud\\w+)';

/** A wish for a person, said plainly. The words are the customer's, folded and spelled out. */
const WISHES = [
  `^(?:um |uma |o |a )?(?:atendente|humano|pessoa|pessoa real|pessoa de verdade|gerente|supervisora?|vendedora?|(?:suporte|atendimento) humano|agent|human|person|real person|representative|operator)${MANNERS}[.!?]*$`,
  `\\b(?:falar|conversar|tratar|contato|fala|transfer\\w+|encaminh\\w+|direcion\\w+|passa\\w*|chama\\w*|solicito|quero|preciso d[eo]|prefiro|me (?:passa|transfere|liga|coloca|poe|bota|manda|conecta))\\b[^.!?]{0,25}\\b(?:${PERSON})\\b`,
  `\\b(?:falar|conversar|contato) com (?:[ao] |um |uma |seu |sua |algum )?(?:${PERSON_TALKED_TO})\\b`,
  `\\b(?:quero|queria|gostaria|preciso|poderia|como (?:que )?(?:eu )?)\\b[^.!?]{0,12}\\b(?:falo|falando|conversando) com\\b[^.!?]{0,10}\\b(?:${PERSON_TALKED_TO})\\b`,
  '\\bfalar com gente\\b',
  '\\b(?:atendimento|atendente|suporte) humano\\b|\\b(?:alguem|pessoas?|gente|humano) de carne e osso\\b',
  '\\b(?:tem|cade|ha) (?:algum |o |a |um |os |as )?(?:atendentes?|humano)\\b',
  `\\bcade (?:o|a) (?:${PERSON_TALKED_TO})\\b`,
  // Whether there is anybody at all.
  '\\b(?:tem|ha) (?:algum|alguma|um|uma|outro|outra) (?:atendente|humano|vendedora?|gerente|pessoa)(?: ai)?(?: (?:online|disponivel|livre|(?:que|para) (?:possa|consiga|me )[^.!?]{0,20})|[?!]|$)',
  `\\b(?:tem|ha) (?:alguem|ninguem|uma alma|um cristao|uma pessoa|gente)(?: ai)?(?: de verdade\\b| real\\b| humano\\b| para ${HELPS}\\b| que (?:possa |consiga )?me )`,
  `\\b(?:poe|bota|coloca|manda|chama) (?:um|uma|algum|alguma) (?:${PERSON})\\b`,
  `\\b(?:humano|atendente|pessoa)\\b[^.!?]{0,15}\\bme ${ATTENDS}\\b`,
  // To be called, and not when the parcel comes.
  `\\balguem\\b[^.!?]{0,25}\\bme (?:atend(?:er?|am?|em|esse)|${CALLS})\\b|\\bme ${ATTENDS}\\b[^.!?]{0,15}\\balguem\\b`,
  '\\b(?:voces?|alguem) (?:pode|podem|poderia|poderiam|consegue|conseguem) me ligar\\b(?! (?:quando|assim|antes|depois|se|na hora|no dia)\\b)',
  '\\bme lig(?:a|ue|uem|am)(?: por favor| agora| urgente)+(?! (?:quando|assim|antes|depois|se|na hora|no dia)\\b)',
  '\\b(?:quero|queria|prefiro|preferia|melhor|da para)\\b[^.!?]{0,12}\\b(?:resolver|falar|tratar|conversar|atendid[oa]) (?:\\w+ ){0,3}por (?:telefone|ligacao|chamada)\\b',
  '\\bme (?:passa|transfere|encaminha|direciona|manda|conecta|coloca)\\w* (?:logo )?(?:para|com) (?:[oa] )?(?:setor(?! \\d)|departamento|financeiro|comercial|suporte|sac|equipe|time|vendas)\\b',
  '\\b(?:falar|conversar|continuar|atendid[oa]) (?:com|por) (?:[oa] |quem )?(?:\\w+ )?(?:que )?(?:estava )?me atend(?:eu|endo|ia)\\b',
  // Not with a machine.
  `\\b(?:nao (?:quero|vou|gosto de|aguento|adianta|da para)|chega de|cansad[oa] de|cansei de|prefiro nao|odeio|para de|parem de)\\b[^.!?]{0,12}\\b(?:fal\\w+|convers\\w+|ser atendid[oa]|ficar|trat\\w+) (?:com|por|convers\\w+ com|fal\\w+ com) (?:o |a |um |uma |ess[ea] |est[ea] )?(?:${MACHINE})\\b`,
  `\\b(?:chega de|cansad[oa] de|cansei d[eo]|nao aguento(?: mais)?) (?:o |a |ess[ea] |est[ea] )?(?:${MACHINE})\\b(?! (?:aspirador|de|que))`,
  `\\b(?:${MACHINE})\\b[^.!?]{0,30}\\bquero (?:falar com )?gente\\b`,
  '\\b(?:speak|talk|chat) (?:to|with) (?:a |an |some)?(?:real )?(?:human|person|agent|one|somebody|someone|representative|manager)\\b',
  '\\b(?:connect|transfer|put) me (?:through )?(?:to|with) (?:a |an |some)?(?:real )?(?:human|person|agent|one|somebody|someone|representative)\\b',
  '\\bi (?:need|want) an? (?:real )?(?:human|person|agent)\\b|\\b(?:is there|any) an? (?:real|live) (?:human|person|agent)\\b',
].map((pattern) => new RegExp(pattern));

/** The same words in a different sense: a person as a measure, a job, or somebody to deliver to. */
const NOT_WISHES = [
  /\bpor pessoa\b/g,
  /\b\d+ pessoas?\b/g,
  /(?<!\b(?:passa\w{0,10}|transfer\w{0,10}|encaminh\w{0,10}|direcion\w{0,10}|manda|logo|me|falar|ligar?)\s)\bpara (uma |outra )?pessoa\b/g,
  /\bvagas?\b[^.!?,;]{0,30}/g,
  /\b(sem|nao quero|nao preciso)\b[^.!?,;]{0,20}\b(atendente|humano|alguem)\b/g,
  /\bem carne e osso\b/g,
];

/**
 * Whether the customer asks for a person, without asking a model.
 *
 * What means something else is taken out first and not held against the rest: who orders for 20 people may still want a
 * person.
 */
export function wantsHuman(text: string): boolean {
  return wantsHumanIn(spelledOut(foldedText(text)));
}

/** As {@link wantsHuman}, of a text that is folded and spelled out. */
export function wantsHumanIn(said: string): boolean {
  const rest = NOT_WISHES.reduce((words, pattern) => words.replace(pattern, ' '), said).trim();
  return WISHES.some((pattern) => pattern.test(rest));
}
