/** What the forks put at a template's disposal. */
export type TemplateView = Readonly<Record<string, string>>;

const TAG_START = '{{';

/**
 * Renders the part of Mustache that shows in a customer's chat: variables, escaped or not, sections, comments, and the
 * error for a tag or a section without its end. Partials and changed delimiters render as nothing.
 *
 * Source: janl/mustache.js 4, README ("Tags"), by whose rules the forks send.
 *
 * @throws {Error} as Mustache does, which makes a fork's send fail.
 */
export function renderMustache(template: string, view: TemplateView): string {
  const rendered: string[] = [];
  const sections: { readonly name: string; readonly isShown: boolean }[] = [];
  let position = 0;
  for (;;) {
    const start = template.indexOf(TAG_START, position);
    const isShown = sections.every((section) => section.isShown);
    if (isShown) rendered.push(template.slice(position, start === -1 ? undefined : start));
    if (start === -1) break;
    const tag = readTag(template, start);
    position = tag.end;
    if (tag.sign === '#' || tag.sign === '^') {
      const isTruthy = (view[tag.name] ?? '') !== '';
      sections.push({ name: tag.name, isShown: tag.sign === '#' ? isTruthy : !isTruthy });
    } else if (tag.sign === '/') {
      const closed = sections.pop();
      if (closed?.name !== tag.name) throw new Error(`Unopened section "${tag.name}" at ${start}`);
    } else if (isShown) {
      rendered.push(valueOf(tag, view));
    }
  }
  const open = sections.at(-1);
  if (open !== undefined) throw new Error(`Unclosed section "${open.name}" at ${template.length}`);
  return rendered.join('');
}

interface Tag {
  /** `#`, `^`, `/`, `&`, `{`, `!`, `>`, `=`; nothing for a variable. */
  readonly sign: string;
  readonly name: string;
  /** Where the text goes on. */
  readonly end: number;
}

function readTag(template: string, start: number): Tag {
  const inside = start + TAG_START.length;
  const first = template.charAt(inside);
  const sign = '#^/&{!>='.includes(first) ? first : '';
  const closing = sign === '{' ? '}}}' : '}}';
  const end = template.indexOf(closing, inside);
  if (end === -1) throw new Error(`Unclosed tag at ${template.length}`);
  return { sign, name: template.slice(inside + sign.length, end).trim(), end: end + closing.length };
}

function valueOf({ sign, name }: Tag, view: TemplateView): string {
  const value = view[name] ?? '';
  if (sign === '') return escapeHtml(value);
  return sign === '&' || sign === '{' ? value : '';
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '/': '&#x2F;',
  '`': '&#x60;',
  '=': '&#x3D;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"'`=/]/g, (character) => ENTITIES[character] ?? character);
}
