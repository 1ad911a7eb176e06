import { z } from 'zod';
import type { SeenRequest } from '../../sandbox/gemini/model-server.ts';

const Content = z.object({ role: z.string(), parts: z.array(z.object({ text: z.string() })) });
const GeminiRequest = z.object({
  contents: z.array(Content),
  systemInstruction: z.object({ parts: Content.shape.parts }),
});

export interface AskedOfGemini {
  readonly system: string;
  /** Oldest first; the last one is what the customer asks now. */
  readonly messages: readonly { role: string; text: string }[];
}

/** What Gemini was asked, as it came over the wire. */
export function askedOfGemini(request: SeenRequest | undefined): AskedOfGemini {
  const { contents, systemInstruction } = GeminiRequest.parse(request?.body);
  const textOf = (parts: readonly { text: string }[]): string => parts.map((part) => part.text).join('');
  return {
    system: textOf(systemInstruction.parts),
    messages: contents.map(({ role, parts }) => ({ role, text: textOf(parts) })),
  };
}
