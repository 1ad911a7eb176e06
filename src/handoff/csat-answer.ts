import { isClosingThanks } from './closing-thanks.ts';

/** What a customer says about the service, from 1 to 5. */
export interface CsatAnswer {
  readonly score: number;
  /** A word or a face and no number: what is said in the next message is said beside it. */
  readonly isInWords: boolean;
  /** What the customer says beside the score. */
  readonly comment: string | undefined;
  /** Whether the rest is anything but thanks and praise or blame: then it is a message as well, and is answered. */
  readonly isMoreThanThat: boolean;
}

/** What is longer is a letter; a letter is answered. */
const ANSWER_CHARACTERS_MAX = 500;
/** A score stands at the beginning. Of what is longer no more is looked at, and it is more than an answer. */
const LOOKED_AT_CHARACTERS = 120;

const NUMBER_WORDS: Readonly<Record<string, number>> = {
  zero: 0,
  um: 1,
  uma: 1,
  one: 1,
  dois: 2,
  duas: 2,
  two: 2,
  tres: 3,
  three: 3,
  quatro: 4,
  four: 4,
  cinco: 5,
  five: 5,
  seis: 6,
  six: 6,
  sete: 7,
  seven: 7,
  oito: 8,
  eight: 8,
  nove: 9,
  nine: 9,
  dez: 10,
  ten: 10,
};

/** Words that judge, by the score that they mean. */
const WORDS: readonly (readonly [score: number, words: string])[] = [
  [
    5,
    'otim[oa]|excelente|maravilhos[oa]|perfeit[oa]|fantastic[oa]|sensacional|incrivel|nota mil|amei|adorei|show(?: de bola)?|top|10|great|excellent|awesome|perfect|amazing|love(?:d)? it',
  ],
  [5, 'muito bo[am]|mto bo[am]|bom demais|super bo[am]|muito satisfeit[oa]|very good|very satisfied'],
  [4, 'bo[am]|gostei|legal|bacana|satisfeit[oa]|good|satisfied|fine'],
  [3, 'regular|mais ou menos|medi[oa]|razoavel|mediano|normal|ok(?:ay)?|so so|average|da pro gasto'],
  [2, 'ruim|frac[oa]|insatisfeit[oa]|decepcionad[oa]|deixou a desejar|bad|poor|unsatisfied'],
  [2, 'nao gostei|nao foi (?:muito |tao )?(?:bom|boa|legal)|nada bom|nao (?:muito )?bom|not (?:so )?good'],
  [
    1,
    'pessim[oa]|horrivel|terrivel|lixo|uma? porcaria|muito ruim|muito frac[oa]|odiei|detestei|nao gostei nada|terrible|awful|horrible|very bad|worst',
  ],
];

/** Every word stands here once, and few of them follow one another: a pattern that can be read in two ways takes for ever. */
const LEAD =
  '(?:(?:eu|dou|daria|deixo|avalio|com|acho|achei|minha nota|a nota|nota|foi|e|esta|ta|o atendimento|atendimento|it was|score|rating|i give|give|super|o servico|voces foram|vcs foram|certeza)[ :=-]{0,3}){0,6}';
const NUMBER = `\\d{1,2}(?:[.,]\\d)?|${Object.keys(NUMBER_WORDS).join('|')}`;
const SCALE = '(?: ?(?:/|de|em|out of) ?(5|cinco|10|dez|five|ten)| ?(?:estrelas?|stars?|pontos?))?';

/** A number that is all there is, or stands before a mark: "5", "nota 10", "4/5, demorou". "5 pães" is an order. */
const BY_NUMBER = new RegExp(`^${LEAD}(?:um |uma |a |an )?(${NUMBER})${SCALE} ?(?:$|[!.,;:)\\n-]+(.*)$)`, 's');
const BY_WORD = WORDS.map(
  ([score, words]) =>
    [
      score,
      new RegExp(
        `^${LEAD}(?:${words})(?: (?:mesmo|demais|atendimento|servico|service|o atendimento|o servico))*(?:$|[ ,.;:!\\n-]*[,.;:!\\n-]+ ?(.*)$)`,
        's',
      ),
    ] as const,
);

const STARS = /^(?:\s*(?:⭐|🌟|★)\ufe0f?)+/u;
const FACES: readonly (readonly [score: number, faces: RegExp])[] = [
  [5, /^(?:👍|😍|🥰|❤|💙|💚|🤩|😀|😃|😄|😁|👏|🙌|💯|🎉)/u],
  [4, /^(?:🙂|😊|☺|😉|👌)/u],
  [3, /^(?:😐|😑|🫤|🤷)/u],
  [2, /^(?:🙁|☹|😕|😞|😟)/u],
  [1, /^(?:👎|😡|🤬|😠|😤|🤮|💩|😭)/u],
];
const KEYCAP = /([0-9])\ufe0f?\u20e3/gu;
const TEN = /🔟/gu;

/** What judges, and what stands between: beside these and thanks an answer holds nothing. Folded, of letters alone. */
const JUDGING = [
  ...WORDS.map(([, words]) => words),
  'muit[oa]|mto|super|tao|bem|demais|mesmo|um pouco|pouco|bastante|sempre|tudo|mais|rapid[oa]|agil|rapidez|atencios[oa]s?',
  'educad[oa]s?|simpatic[oa]s?|prestativ[oa]s?|gentil|gentis|eficientes?|eficiencia|parabens|nota|melhor|pior|recomendo',
  'demorou|demorad[oa]|demora|lent[oa]|devagar|confus[oa]|gross[oa]s?|mal educad[oa]s?|falta de respeito|descaso',
  'atendimento|servico|atendente|equipe|empresa|loja|resposta|voces|vcs|foi|foram|e|o|a|os|as|de|do|da|com|achei|gostei|fiquei',
  'mas|porem|so que|atendid[oa]s?|fui|me|ajud(?:ou|aram)|(?:resolv|tir|respond)(?:ou|aram|eu|eram)(?: (?:[oa] )?(?:meu|minha) (?:problema|duvida|caso))?|resolvido|paciencia',
  'esper(?:ei|a|ar)|horas?|minutos|robo|bot|assistente|desde o inicio|do inicio ao fim',
  'very|really|so|slow|fast|quick|helpful|friendly|rude|polite|service|was|the|and|it|a bit|too|team|you|were|kind|nice',
].join('|');
const JUDGING_WORDS = new RegExp(`(?<= )(?:${JUDGING})(?= )`, 'g');

/** Blame of the service beside a bad mark. Beside a good one the same words are a matter that is not over. */
const BLAMING_WORDS =
  /(?<= )(?:(?:nao|ninguem|nada) (?:me |foi )?(?:resolv\w{1,5}|ajud\w{1,5}|respond\w{1,5}|atend\w{1,5})|nada|ninguem)(?= )/g;
const BLAMED_MAX = 2;

/**
 * Reads a customer's answer to the question how the service was, however it is typed: a digit, a word, stars, a thumb.
 *
 * Five is the best. Above five the customer counts to ten, as many here do. Undefined: this is no answer. A digit and stars
 * are a mark whatever follows; a word and a face begin other talk as well ("Bom, meu pedido veio errado"), and are a mark only
 * when the message is about nothing else. Pure.
 */
export function readCsatAnswer(text: string): CsatAnswer | undefined {
  if (text.length > ANSWER_CHARACTERS_MAX) return undefined;
  const typed = text.replace(KEYCAP, '$1').replace(TEN, '10').trim();
  const looked = typed.slice(0, LOOKED_AT_CHARACTERS);
  const found = byStars(looked) ?? byNumber(folded(looked)) ?? byWord(folded(looked)) ?? byFace(looked);
  if (found === undefined) return undefined;
  const rest = found.rest.trim();
  const isMoreThanThat = typed.length > looked.length || !isJudgement(found.score, rest);
  if (found.isInWords && isMoreThanThat) return undefined;
  return { score: found.score, isInWords: found.isInWords, comment: rest === '' ? undefined : typed, isMoreThanThat };
}

/** Whether nothing is left of it beside thanks and what judges. What nobody has thought of here is answered. */
function isJudgement(score: number, rest: string): boolean {
  if (rest.includes('?')) return false;
  if (isThanks(rest)) return true;
  const words = folded(rest)
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
  const others = (score <= BLAMED_MAX ? ` ${words} `.replace(BLAMING_WORDS, '') : ` ${words} `).replace(
    JUDGING_WORDS,
    '',
  );
  return isThanks(others);
}

function isThanks(text: string): boolean {
  return !/[\p{L}\p{N}]/u.test(text) || isClosingThanks(text);
}

interface Found {
  readonly score: number;
  /** A word or a face, which are said of other things too. */
  readonly isInWords: boolean;
  readonly rest: string;
}

function byStars(text: string): Found | undefined {
  const stars = STARS.exec(text)?.[0];
  if (stars === undefined) return undefined;
  const count = stars.match(/⭐|🌟|★/gu)?.length ?? 0;
  return count > 5 ? undefined : { score: count, isInWords: false, rest: text.slice(stars.length) };
}

function byNumber(text: string): Found | undefined {
  const [, number, scale, rest = ''] = BY_NUMBER.exec(text) ?? [];
  if (number === undefined) return undefined;
  const value = NUMBER_WORDS[number] ?? Number(number.replace(',', '.'));
  const isOfTen = scale === '10' || scale === 'dez' || scale === 'ten' || value > 5;
  if (value > 10) return undefined;
  const score = Math.min(5, Math.max(1, Math.round(isOfTen ? value / 2 : value)));
  return { score, isInWords: number in NUMBER_WORDS, rest };
}

function byWord(text: string): Found | undefined {
  for (const [score, pattern] of BY_WORD) {
    const match = pattern.exec(text);
    if (match !== null) return { score, isInWords: true, rest: match[1] ?? '' };
  }
  return undefined;
}

/** A face or a thumb, and nothing in words but what follows it. */
function byFace(text: string): Found | undefined {
  for (const [score, faces] of FACES) {
    if (faces.test(text))
      return {
        score,
        isInWords: true,
        rest: text.replace(/^(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\u200d|\ufe0f|\s)+/u, ''),
      };
  }
  return undefined;
}

/** Lower case without accents and with single spaces; marks stay, because they tell where the answer ends. */
function folded(text: string): string {
  return text
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/(?:\p{Extended_Pictographic}|\ufe0f|\u200d)+/gu, '!')
    .replace(/[^\S\n]+/g, ' ')
    .trim();
}
