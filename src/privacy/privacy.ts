import { foldedWords } from '../vocabulary/folded-text.ts';

/*
 * The door of `privacy`: what a person has allowed us.
 *
 * This domain owns the table consent_event. Its invariant: a contact whose newest event is an opt-out hears nothing from the
 * bot on any channel of the tenant, until that contact asks for it again. Events are added, never changed.
 */

/** What a customer wishes for with a word: to be left alone by the bot, or to hear from it again. */
export type ConsentKind = 'opt-out' | 'opt-in';

/** A change of consent that a turn has read, with the message that says so. */
export interface ConsentChange {
  readonly kind: ConsentKind;
  readonly messageId: string;
}

/** A wish is short. What is longer tells a story, and is not looked through for one. */
const WISH_CHARACTERS_MAX = 160;

/** Around the word that is the whole message: who is asked, and how kindly. */
const BEFORE =
  /^(?:(?:oi|ola|bom dia|boa tarde|boa noite|por favor|pf|pfv|please|quero|queria|gostaria de|eu quero) )+/;
const AFTER = /(?: (?:por favor|pf|pfv|obrigad[oa]|please|thanks|thank you|agora|ja|now))+$/;

/** Nothing but this. */
const OPT_OUT_WORDS = new Set([
  'sair',
  'sai',
  'parar',
  'pare',
  'parem',
  'para de mandar',
  'stop',
  'stop all',
  'stopall',
  'unsubscribe',
  'opt out',
  'optout',
  'cancelar inscricao',
  'cancelar a inscricao',
  'cancelar minha inscricao',
  'cancela inscricao',
  'cancela minha inscricao',
  'descadastrar',
  'descadastre',
  'descadastro',
  'me descadastrar',
  'me descadastre',
  'descadastrar meu numero',
  'remover meu numero',
  'remova meu numero',
  'remove meu numero',
  'sair da lista',
  'me tira da lista',
  'me tire da lista',
  'me tirem da lista',
  'me remova da lista',
  'me remove da lista',
  'remover da lista',
]);

/** The person to whom messages shall stop coming may be named, the way they come as well: it is this one. */
const HERE =
  '(?: (?:aqui|mais|nunca mais|pra mim|para mim|por aqui|(?:de )?(?:voces|vcs|vc)|desse numero|deste numero|(?:no|pelo|do) (?:meu )?(?:whats|whatsapp|zap)|agora|por favor))*';
const MESSAGES =
  '(?:(?:suas|as|essas|estas|mais|nenhuma|qualquer) )*(?:mensage(?:m|ns)|msgs?|avisos?|notificac(?:ao|oes)|propagandas?|nada)';

/** An unmistakable sentence: messages in general, to this person, no more. Each must be all of a sentence. */
const OPT_OUT_SENTENCES = [
  `(?:eu )?nao (?:quero|desejo|gostaria de|aceito|autorizo)(?: mais| nunca mais)? (?:mais )?(?:receber|que (?:voces |vcs )?me (?:mandem|enviem))(?: mais)? ${MESSAGES}${HERE}`,
  `(?:eu )?nao (?:quero|desejo)(?: mais)? (?:mais )?receber${HERE}`,
  `(?:quero |gostaria de |como faco (?:pra |para ))?(?:parar|deixar) de receber ${MESSAGES}${HERE}`,
  `(?:parem?|para|pode parar|podem parar) de (?:me )?(?:mandar|enviar) ${MESSAGES}${HERE}`,
  `(?:parem?|para|pode parar|podem parar) de me (?:mandar|enviar|perturbar|incomodar|chamar)${HERE}`,
  `nao me (?:mande|mandem|manda|envie|enviem|envia)(?: mais)? ${MESSAGES}${HERE}`,
  `nao (?:mande|mandem|manda|envie|enviem)(?: mais)? ${MESSAGES} (?:pra|para) mim${HERE}`,
  `(?:me )?(?:tirem?|tira|remov[ae]m?|exclu[ai]m?|apaguem?)(?: o)? (?:meu (?:numero|contato|nome)|me) (?:da|de|dessa|desta|das?) (?:sua |suas )?listas?${HERE}`,
  `(?:quero |gostaria de )?cancelar (?:o recebimento|minha inscricao|a inscricao) (?:de|das|nas|dessas) ${MESSAGES}${HERE}`,
  `(?:please )?stop (?:sending|texting|messaging) (?:me )?(?:messages|texts|anything)?(?: please)?`,
  `(?:please )?stop (?:texting|messaging) me(?: please)?`,
  `(?:please )?(?:do not|dont) (?:send|text|message) me(?: any(?: ?more)?)?(?: messages| texts)?(?: any ?more)?(?: please)?`,
  `i (?:do not|dont|no longer) want (?:to (?:receive|get) )?(?:any ?)?(?:more )?(?:messages|texts)(?: from you)?(?: any ?more)?(?: please)?`,
  `(?:please )?(?:unsubscribe|remove) me(?: from (?:this|the|your) list)?(?: please)?`,
].map((source) => new RegExp(`^${source}$`));

/** Only after an opt-out: before it these words mean a menu, a product or a way back. */
const OPT_IN_WORDS = new Set([
  'voltar',
  'volta',
  'volte',
  'voltei',
  'start',
  'unstop',
  'iniciar',
  'comecar',
  'quero voltar',
  'pode voltar',
  'quero receber',
  'quero receber mensagens',
  'voltar a receber',
  'quero voltar a receber',
  'quero voltar a receber mensagens',
  'pode mandar mensagem',
  'pode mandar mensagens',
  'subscribe',
  'opt in',
]);

/**
 * Whether a message says, without any doubt, that the bot shall be silent from now on.
 *
 * The whole message or a whole sentence of it must say so: "quero parar de receber o boleto por e-mail" and "como faço para
 * sair do plano" are questions, and whoever asks them wants an answer. Pure.
 */
export function wantsOptOut(text: string): boolean {
  if (text.length > WISH_CHARACTERS_MAX) return false;
  const whole = foldedWords(text);
  if (OPT_OUT_WORDS.has(whole) || OPT_OUT_WORDS.has(whole.replace(BEFORE, '').replace(AFTER, ''))) return true;
  return sentences(text).some((sentence) => {
    const bare = sentence.replace(BEFORE_SENTENCE, '');
    return OPT_OUT_SENTENCES.some((pattern) => pattern.test(sentence) || pattern.test(bare));
  });
}

/** Whether somebody who had opted out wants to hear from the bot again. Pure. */
export function wantsOptIn(text: string): boolean {
  if (text.length > WISH_CHARACTERS_MAX) return false;
  const whole = foldedWords(text).replace(BEFORE_SENTENCE, '').replace(AFTER, '');
  return OPT_IN_WORDS.has(whole);
}

/**
 * The newest wish in these messages, oldest first, if it changes anything: to hear from the bot again is a wish only of
 * who did not want to. Pure.
 */
export function newestWish(
  messages: readonly { readonly id: string; readonly text?: string | null | undefined }[],
  isOptedOut: boolean,
): ConsentChange | undefined {
  let newest: ConsentChange | undefined;
  for (const { id, text } of messages) {
    if (wantsOptOut(text ?? '')) newest = { kind: 'opt-out', messageId: id };
    else if ((isOptedOut || newest !== undefined) && wantsOptIn(text ?? '')) newest = { kind: 'opt-in', messageId: id };
  }
  return newest?.kind === (isOptedOut ? 'opt-out' : 'opt-in') ? undefined : newest;
}

const BEFORE_SENTENCE = /^(?:(?:oi|ola|bom dia|boa tarde|boa noite|por favor|pf|pfv|obrigad[oa]|mas|gente|pessoal) )+/;

function sentences(text: string): readonly string[] {
  return text
    .split(/[.!?;,\n]+/)
    .map(foldedWords)
    .filter((sentence) => sentence !== '');
}
