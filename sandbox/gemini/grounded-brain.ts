import { folded, subjectsOf, wordsOf } from './words.ts';

export interface Composed {
  readonly reply: string;
  /** 0 to 1. */
  readonly confidence: number;
  readonly wantsHuman: boolean;
}

interface Sentence {
  readonly text: string;
  readonly subjects: ReadonlySet<string>;
}

interface Passage {
  readonly sentences: readonly Sentence[];
  readonly subjects: ReadonlySet<string>;
}

const NOT_FOUND: Composed = {
  reply: 'Não encontrei essa informação por aqui. Se quiser, chamo uma pessoa da equipe para ajudar você.',
  confidence: 0.15,
  wantsHuman: false,
};
const CALLS_A_PERSON: Composed = {
  reply: 'Claro! Vou chamar uma pessoa da equipe para continuar o seu atendimento.',
  confidence: 0.95,
  wantsHuman: true,
};

/** Below this share of the question's subjects a passage is about something else. */
const COVERAGE_MIN = 0.34;
/** A sentence joins the best one when it covers nearly as much. */
const NEARLY = 0.6;
const SENTENCES_MAX = 3;

/**
 * Replies as a careful model would: with sentences of the passages, or by saying that nothing was found.
 *
 * It understands nothing. It counts the words that the question and the passages share, so a demo answers from its own
 * documents, and never with anything that is not in them.
 */
export function composeReply(system: string, lastUserText: string): Composed {
  const question = customerText(lastUserText);
  if (asksForPerson(question)) return CALLS_A_PERSON;
  return smallTalk(question) ?? answerFrom(passagesOf(system), question) ?? NOT_FOUND;
}

/** The answer in the form that was asked for: any flat schema, or plain text when there is none. */
export function fillSchema(schema: unknown, composed: Composed): string {
  const properties = propertiesOf(schema);
  if (properties === undefined) return composed.reply;
  let hasReply = false;
  const fields = Object.entries(properties).map(([name, property]) => {
    const { type, values } = kindOf(property);
    if (type === 'number' || type === 'integer') return [name, composed.confidence];
    if (type === 'boolean') return [name, /human|person|pessoa|atendente|agent/i.test(name) && composed.wantsHuman];
    if (type === 'array') return [name, []];
    if (values !== undefined) return [name, values[0]];
    const value = hasReply ? '' : composed.reply;
    hasReply = true;
    return [name, value];
  });
  return JSON.stringify(Object.fromEntries(fields));
}

function customerText(lastUserText: string): string {
  const blocks = [...lastUserText.matchAll(/<customer\b[^>]*>([\s\S]*?)<\/customer>/g)];
  return unescaped(blocks.length === 0 ? lastUserText : blocks.map((block) => block[1] ?? '').join('\n')).trim();
}

function asksForPerson(question: string): boolean {
  const text = folded(question);
  if (/\bnao (quero|preciso)\b/.test(text)) return false;
  return (
    /\b(falar|conversar|chamar?|passar?|transfer\w*)\b.*\b(atendente|humano|pessoa|alguem|gerente|responsavel)\b/.test(
      text,
    ) ||
    /\b(quero|queria|preciso|cade|tem|um|uma)\b.*\b(atendente|atendimento humano|ser humano)\b/.test(text) ||
    /^\W*(atendente|humano|pessoa)\W*$/.test(text)
  );
}

function smallTalk(question: string): Composed | undefined {
  if (subjectsOf(question).size > 0) return undefined;
  const words = new Set(wordsOf(question));
  if (['obrigado', 'obrigada', 'valeu'].some((word) => words.has(word))) {
    return sure('Por nada! Se precisar de mais alguma coisa, é só chamar.');
  }
  if (['oi', 'ola', 'opa', 'ei', 'bom', 'boa', 'hey'].some((word) => words.has(word))) {
    const greeting = words.has('bom')
      ? 'Bom dia'
      : words.has('tarde')
        ? 'Boa tarde'
        : words.has('noite')
          ? 'Boa noite'
          : 'Olá';
    return sure(`${greeting}! Como posso ajudar?`);
  }
  return undefined;
}

function sure(reply: string): Composed {
  return { reply, confidence: 0.95, wantsHuman: false };
}

function answerFrom(passages: readonly Passage[], question: string): Composed | undefined {
  const asked = subjectsOf(question);
  const weight = weigher(passages);
  const cover = (subjects: ReadonlySet<string>): number => {
    let covered = 0;
    let all = 0;
    for (const subject of asked) {
      all += weight(subject);
      if (subjects.has(subject)) covered += weight(subject);
    }
    return all === 0 ? 0 : covered / all;
  };

  const [best] = passages
    .map((passage) => ({ passage, coverage: cover(passage.subjects) }))
    .sort((left, right) => right.coverage - left.coverage);
  if (best === undefined || best.coverage < COVERAGE_MIN) return undefined;

  const rated = best.passage.sentences.map((sentence) => ({ ...sentence, coverage: cover(sentence.subjects) }));
  const top = Math.max(...rated.map((sentence) => sentence.coverage));
  const chosen = rated.filter((sentence) => sentence.coverage >= top * NEARLY).slice(0, SENTENCES_MAX);
  return {
    reply: `${chosen.map((sentence) => sentence.text).join(' ')} Posso ajudar com mais alguma coisa?`,
    confidence: Math.round(Math.min(0.97, 0.5 + best.coverage * 0.5) * 100) / 100,
    wantsHuman: false,
  };
}

/** A subject that few sentences share says more than one that all do. */
function weigher(passages: readonly Passage[]): (subject: string) => number {
  const sentences = passages.flatMap((passage) => passage.sentences);
  return (subject) => {
    const holding = sentences.filter((sentence) => sentence.subjects.has(subject)).length;
    return Math.log(1 + (sentences.length + 1) / Math.max(1, holding));
  };
}

/** Systems differ from tenant to tenant and question to question; the last few are worth keeping. */
const READ_MAX = 200;
const alreadyRead = new Map<string, readonly Passage[]>();

function passagesOf(system: string): readonly Passage[] {
  const known = alreadyRead.get(system);
  if (known !== undefined) return known;
  const passages = [...system.matchAll(/<passage\b([^>]*)>([\s\S]*?)<\/passage>/g)].map(
    ([, attributes = '', body = '']) => passageOf(/\btitle="([^"]*)"/.exec(attributes)?.[1] ?? '', body),
  );
  if (alreadyRead.size >= READ_MAX) alreadyRead.clear();
  alreadyRead.set(system, passages);
  return passages;
}

function passageOf(title: string, body: string): Passage {
  const sentences = unescaped(body)
    .split(/(?<=[.!?])\s+|\n+/)
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map((text) => ({ text, subjects: subjectsOf(text) }));
  return { sentences, subjects: subjectsOf(`${unescaped(title)} ${unescaped(body)}`) };
}

function unescaped(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replace(/&(apos|#39);/g, "'")
    .replaceAll('&amp;', '&');
}

function propertiesOf(schema: unknown): object | undefined {
  if (!(schema instanceof Object) || !('properties' in schema)) return undefined;
  return schema.properties instanceof Object ? schema.properties : undefined;
}

function kindOf(property: unknown): { type: string; values: readonly unknown[] | undefined } {
  if (!(property instanceof Object)) return { type: 'string', values: undefined };
  const type = 'type' in property && typeof property.type === 'string' ? property.type.toLowerCase() : 'string';
  return { type, values: 'enum' in property && Array.isArray(property.enum) ? property.enum : undefined };
}
