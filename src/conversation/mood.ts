import { foldedText } from '../vocabulary/folded-text.ts';
import { threatens } from './threats.ts';

/** Words of anger, folded. Whole words; an ending may follow where the root says enough. */
const ANGRY_WORDS =
  /\b(absurd\w*|pessim\w*|palhacada|descaso|vergonh\w*|ridicul\w*|lixo|horrivel|horrorosa?|revolta\w*|indignad\w*|inadmissivel|inaceitavel|desrespeito|falta de respeito|cansei|cansad[oa] de|de saco cheio|nunca mais compro|enganad[oa]|me enganaram|lesad[oa]|golpe|golpistas?|incompeten\w*|irresponsa\w*|pouca vergonha|porcaria|merda|porra|caralho|idiotas?|imbecil|imbecis|palhacos?|trouxa|otari[oa]|ladroes|ladrao|terrible|awful|unacceptable|ridiculous|the worst|scam\w*|pathetic|disgusting|furious|fed up)\b/g;

/** Said with pleasure, or of something else: it takes the edge off. */
const CALM_WORDS =
  /\b(amei|adorei|ador[oa]|amo|otim[oa]s?|perfeit[oa]|parabens|obrigad[oa]|maravilh\w*|excelentes?|delicia|lind[oa]s?|show|top|sacos? de lixo|lixo reciclavel|lata de lixo|lixeira|coleta de lixo|golpe de (sorte|vista)|sem vergonha de|absurdamente (bom|boa|gostos\w+)|thanks|thank you|love|great|awesome)\b/g;

const ANGRY_FROM = 2;
const SHOUTED_LETTERS_MIN = 12;
const SHOUTED_SHARE = 0.8;
/** What is looked at of a text. */
const CHARACTERS_MAX = 4_000;

/**
 * Whether somebody sounds angry, by rule: a word of anger counts two, shouting one, a row of exclamation marks one, and
 * two are enough. Pure.
 */
export function soundsAngry(text: string): boolean {
  const said = text.slice(0, CHARACTERS_MAX);
  const folded = foldedText(said);
  const calm = folded.match(CALM_WORDS)?.length ?? 0;
  const angry = folded.replace(CALM_WORDS, ' ').match(ANGRY_WORDS)?.length ?? 0;
  const heat = (isShouted(said) ? 1 : 0) + (/[!?]{3,}/.test(said) ? 1 : 0);
  return 2 * (angry - calm) + heat >= ANGRY_FROM;
}

/** How somebody sounds who says this, by rule. */
export function moodOf(text: string): 'threatening' | 'angry' | 'calm' {
  if (threatens(text.slice(0, CHARACTERS_MAX))) return 'threatening';
  return soundsAngry(text) ? 'angry' : 'calm';
}

function isShouted(text: string): boolean {
  const letters = text.match(/\p{L}/gu) ?? [];
  if (letters.length < SHOUTED_LETTERS_MIN || !/\p{L}\s+\p{L}/u.test(text)) return false;
  return letters.filter((letter) => letter !== letter.toLowerCase()).length / letters.length >= SHOUTED_SHARE;
}
