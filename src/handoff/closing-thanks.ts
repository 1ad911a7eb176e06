import { foldedWords } from '../vocabulary/folded-text.ts';

/** A goodbye is short. What is longer says something else as well. */
const THANKS_CHARACTERS_MAX = 120;

/**
 * Everything that a goodbye may be made of, folded: assent, thanks, praise of what is over, wishes. One word that is not here,
 * such as "mas", "ainda", "não" or "quando", and it is a message like any other.
 */
const PHRASES = [
  ...['ok', 'okay', 'okk', 'oks', 'okey', 'ta', 'ta bom', 'ta ok', 'tudo bem', 'tudo certo', 'certo', 'certinho'],
  ...[
    'beleza',
    'blz',
    'bele',
    'joia',
    'show',
    'show de bola',
    'top',
    'perfeito',
    'otimo',
    'maravilha',
    'massa',
    'legal',
  ],
  ...['entendi', 'entendido', 'combinado', 'fechado', 'isso', 'isso mesmo', 'sim', 'pronto', 'feito', 'resolvido'],
  ...['era so isso', 'so isso', 'so isso mesmo', 'era isso', 'e isso', 'por enquanto e so', 'por enquanto e so isso'],
  ...['deu certo', 'ja resolvi', 'esta resolvido', 'ta resolvido', 'consegui', 'consegui aqui', 'recebi', 'chegou'],
  ...['obrigado', 'obrigada', 'obrigadao', 'obg', 'obgd', 'obgda', 'obrigadinho', 'obrigadinha', 'brigado', 'brigada'],
  ...['muito obrigado', 'muito obrigada', 'mto obrigado', 'mto obrigada', 'muitissimo obrigado', 'muitissimo obrigada'],
  ...['valeu', 'vlw', 'vlww', 'valew', 'valeu demais', 'agradeco', 'eu agradeco', 'agradecida', 'agradecido', 'grato'],
  ...[
    'grata',
    'gratidao',
    'pela ajuda',
    'pela atencao',
    'pelo atendimento',
    'pelo retorno',
    'por tudo',
    'pela paciencia',
  ],
  ...[
    'pela informacao',
    'pelas informacoes',
    'por enquanto',
    'mesmo',
    'demais',
    'viu',
    'ne',
    'hein',
    'entao',
    'e',
    'a',
  ],
  ...[
    'pela',
    'pelo',
    'por',
    'sua',
    'ajuda',
    'atencao',
    'atendimento',
    'gentileza',
    'rapidez',
    'tudo',
    'voce',
    'voces',
    'vc',
  ],
  ...['vcs', 'gente', 'pessoal', 'amigo', 'amiga', 'querido', 'querida', 'moco', 'moca', 'senhor', 'senhora'],
  ...['otimo atendimento', 'excelente', 'excelente atendimento', 'atendimento otimo', 'foi otimo', 'amei', 'adorei'],
  ...[
    'tchau',
    'tchauzinho',
    'ate mais',
    'ate logo',
    'ate',
    'ate amanha',
    'ate breve',
    'abraco',
    'abracos',
    'abs',
    'bjs',
  ],
  ...[
    'beijo',
    'beijos',
    'bom dia',
    'boa tarde',
    'boa noite',
    'bom fim de semana',
    'bom final de semana',
    'bom descanso',
  ],
  ...[
    'bom feriado',
    'otimo dia',
    'otima tarde',
    'otima noite',
    'bom trabalho',
    'boa semana',
    'um otimo dia',
    'um bom dia',
  ],
  ...[
    'tenha um bom dia',
    'tenha uma boa noite',
    'tenha uma boa tarde',
    'pra voce tambem',
    'para voce tambem',
    'igualmente',
  ],
  ...[
    'pra vcs tambem',
    'para voces tambem',
    'pra voces tambem',
    'tambem',
    'fica com deus',
    'fique com deus',
    'deus abencoe',
  ],
  ...['deus te abencoe', 'amem', 'de nada', 'imagina', 'disponha', 'kk', 'kkk', 'kkkk', 'rs', 'rsrs', 'haha'],
  ...['thanks', 'thank you', 'thank you so much', 'thanks a lot', 'thx', 'ty', 'great', 'perfect', 'cool', 'got it'],
  ...['all good', 'alright', 'bye', 'goodbye', 'see you', 'have a nice day', 'have a good day', 'good night', 'cheers'],
  ...[
    'for your help',
    'for the help',
    'for everything',
    'very much',
    'so much',
    'that is all',
    'thats all',
    'done',
    'yes',
  ],
].toSorted((left, right) => right.length - left.length);

/** Thanks, a wish or a goodbye: with one of these it is over, whatever else of the phrases is said. */
const FAREWELLS =
  /\b(\w*brigad\w*|obg\w*|val[eu]\w*|vlw+|agradec\w+|grat\w+|tchau\w*|ate (?:mais|logo|amanha|breve)|abraco\w*|abs|bjs|beijos?|igualmente|tambem|deus|amem|de nada|imagina|disponha|descanso|(?:so|era) isso|enquanto e so|thank\w*|thx|ty|bye|goodbye|see you|cheers)\b/;

/** Assent and praise: enough by themselves, but not in a greeting nor beside news. "bom dia" alone begins a talk. */
const ASSENTS =
  /\b(ok\w*|ta (?:bom|ok)|tudo (?:bem|certo)|cert\w+|beleza|blz|joia|show|top|perfeito|otim\w+|maravilha|massa|legal|entendi\w*|combinado|fechado|pronto|feito|resolvi\w*|deu certo|consegui|excelente|amei|adorei|great|perfect|cool|got it|all good|alright|done)\b/;

/** Begins a talk as often as it ends one: "Boa tarde, tudo bem". */
const GREETING = /^(?:bom dia|boa tarde|boa noite)\b/;
/** Answers a question or tells something, so somebody may wait for what comes of it: "certo, recebi". */
const NEWS = /\b(?:isso|sim|yes|recebi|chegou)\b/;

/** Thumbs up, hands together, a heart, a smile: thanks without a word. */
const EMOJI = /\p{Extended_Pictographic}|\p{Emoji_Modifier}|\u200d|\ufe0f/gu;
const KIND_EMOJI = /(?:👍|🙏|❤|💙|💚|💛|🧡|💜|🤝|👏|😊|😃|😄|😁|🙂|😉|🥰|😍|😘|🤗|👌|✅|🎉|🙌|☺)/u;

/**
 * Whether a message only says thanks or goodbye, so that nobody needs to answer it.
 *
 * "obrigado, mas ainda não chegou" is none: every word must belong to a goodbye. Pure, and without a model.
 */
export function isClosingThanks(text: string): boolean {
  if (text.length > THANKS_CHARACTERS_MAX || text.includes('?')) return false;
  const words = folded(text.replace(EMOJI, ' '));
  if (words === '') return KIND_EMOJI.test(text);
  return isOver(words) && isMadeOfPhrases(words);
}

function isOver(words: string): boolean {
  if (FAREWELLS.test(words)) return true;
  return ASSENTS.test(words) && !GREETING.test(words) && !NEWS.test(words);
}

/** Takes the longest phrase off the beginning until nothing is left. */
function isMadeOfPhrases(words: string): boolean {
  let rest = words;
  while (rest !== '') {
    const phrase = PHRASES.find((it) => rest === it || rest.startsWith(`${it} `));
    if (phrase === undefined) return false;
    rest = rest.slice(phrase.length).trimStart();
  }
  return true;
}

/** No vowel more than once at the end of a word: "obrigadaaaa" is one word for all. */
function folded(text: string): string {
  return foldedWords(text).replace(/([aeiou])\1+(?= |$)/g, '$1');
}
