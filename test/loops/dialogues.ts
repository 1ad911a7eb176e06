import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { SaidMessage } from '../../src/conversation/loop-breaker.ts';

const FOLDER = import.meta.dirname;

const Dialogue = z.strictObject({
  id: z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/),
  note: z.string().min(1),
  messages: z
    .array(z.strictObject({ afterMs: z.number().min(0), author: z.enum(['customer', 'bot']), text: z.string() }))
    .min(2)
    .max(40),
});
export type Dialogue = z.infer<typeof Dialogue>;

/** The labelled people of a file of this folder; none where the file is not there. The README has the format. */
export function dialoguesOf(file: string): readonly Dialogue[] {
  const whole = path.join(FOLDER, file);
  if (!fs.existsSync(whole)) return [];
  const lines = fs.readFileSync(whole, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => Dialogue.parse(JSON.parse(line)));
}

/** What had been said each time that this customer had written: one list for each of the customer's messages. */
export function momentsOf({ messages }: Dialogue): readonly (readonly SaidMessage[])[] {
  let at = 0;
  const said = messages.map(({ afterMs, author, text }): SaidMessage => {
    at += afterMs;
    return { author, text, at: new Date(at) };
  });
  return said.flatMap((message, index) => (message.author === 'customer' ? [said.slice(0, index + 1)] : []));
}
