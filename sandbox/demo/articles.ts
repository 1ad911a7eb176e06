import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** One article of the demo company's knowledge base, as a tenant would paste it. */
export interface DemoArticle {
  readonly title: string;
  readonly text: string;
}

/** What the bakery of the demo knows: every file of `articles/`, in the order of their numbers. */
export const DEMO_ARTICLES: readonly DemoArticle[] = readArticles(path.join(import.meta.dirname, 'articles'));

function readArticles(folder: string): DemoArticle[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.md'))
    .sort()
    .map((file) => parseArticle(file, readFileSync(path.join(folder, file), 'utf8')));
}

/** A first line `# Title`, an empty line, the text. */
function parseArticle(file: string, source: string): DemoArticle {
  const [, title, text] = /^# ([^\n]+)\n\n([^]+)$/.exec(source) ?? [];
  if (title === undefined || text === undefined) throw new Error(`${file} does not begin with "# Title" and a text`);
  return { title, text: text.trim() };
}
