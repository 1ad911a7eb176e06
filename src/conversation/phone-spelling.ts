/** What is typed short on a phone, and what it stands for. Folded. */
const SHORT_FORMS: Readonly<Record<string, string>> = {
  ...{ vc: 'voce', vcs: 'voces', q: 'que', n: 'nao', naum: 'nao', vdd: 'verdade', insta: 'instagram' },
  ...{ pra: 'para', pras: 'para as', pro: 'para o', pros: 'para os', cm: 'com', c: 'com', qro: 'quero' },
  ...{ alg: 'alguem', algm: 'alguem', ngm: 'ninguem', adv: 'advogado' },
  ...{ pf: 'por favor', pff: 'por favor', pfv: 'por favor', pfvr: 'por favor', pls: 'please' },
};

/** "num" is a "não" before these, and "em um" before all others. */
const NOT_IN_SPEECH = /\bnum (?=(?:tem|da|quero|vou|aguento|consigo|resolve\w*)\b)/g;

/** The words on which a rule turns; a slip of the finger in one of them must not hide it. */
const KEY_WORDS = [
  ...['atendente', 'atendimento', 'humano', 'alguem', 'ninguem', 'pessoa', 'gerente', 'supervisor', 'responsavel'],
  ...['vendedor', 'procon', 'processo', 'processar', 'advogado', 'advogada', 'justica', 'policia', 'delegacia'],
];

const LETTERS_MIN = 5;
const LETTERS_MAX = 13;
/** With a letter less, a shorter word is another word too often. */
const SLIP_LETTERS_MIN = 8;

const BY_SOUND: ReadonlyMap<string, string> = new Map(KEY_WORDS.map((word) => [soundOf(word), word]));
const OFTEN_SLIPPED = KEY_WORDS.filter((word) => word.length >= SLIP_LETTERS_MIN);

/**
 * A folded text with the short forms of phones written out and the words on which a rule turns spelled right: "pra" is
 * "para", "umano" is "humano", "atendete" is "atendente". Nothing else is mended. Pure.
 */
export function spelledOut(folded: string): string {
  return folded
    .replace(/\bc\//g, 'com')
    .replace(/[a-z]+/g, (word) => SHORT_FORMS[word] ?? mended(word))
    .replace(NOT_IN_SPEECH, 'nao ');
}

function mended(word: string): string {
  if (word.length < LETTERS_MIN || word.length > LETTERS_MAX) return word;
  return BY_SOUND.get(soundOf(word)) ?? OFTEN_SLIPPED.find((known) => isSlipOf(word, known)) ?? word;
}

/** Words that sound alike in Brazil have one sound: "prosessar", "processar"; "umano", "humano"; "procom", "procon". */
function soundOf(word: string): string {
  return word
    .replace(/^h/, '')
    .replace(/s?c(?=[ei])|ss|z/g, 's')
    .replace(/([a-z])\1+/g, '$1')
    .replace(/m/g, 'n');
}

/**
 * Whether a letter is missing or too many, or two are swapped. Not the first one, nor the last one, which makes another form
 * of the word; and not one for another: "vencedor" is no "vendedor".
 */
function isSlipOf(word: string, known: string): boolean {
  if (!known.startsWith(word.charAt(0)) || !known.endsWith(word.slice(-1)) || Math.abs(word.length - known.length) > 1)
    return false;
  let start = 0;
  while (start < word.length && word[start] === known[start]) start += 1;
  if (word.length < known.length) return word.slice(start) === known.slice(start + 1);
  if (word.length > known.length) return word.slice(start + 1) === known.slice(start);
  const swapped = `${String(known[start + 1])}${String(known[start])}`;
  return word.slice(start) === swapped + known.slice(start + 2);
}
