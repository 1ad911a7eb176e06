import { readFile, rename, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { PhoneMessage } from './phone-message.ts';

/** Of each customer, so that neither the memory nor the page grows with the demonstration. */
const MESSAGES_MAX = 200;

const HistoryFile = z.object({ version: z.literal(1), chats: z.record(z.string(), z.array(PhoneMessage)) });

/** How a trouble is told that does not stop anything. */
export type Warn = (words: string, error: unknown) => void;

/** The chats of every phone, in memory and in one small file, so that a restart keeps them. */
export class ChatHistory {
  readonly #file: string;
  readonly #warn: Warn;
  readonly #chats: Map<string, readonly PhoneMessage[]>;
  #saving: Promise<void> | undefined;
  #isStale = false;

  private constructor(place: { file: string; warn: Warn }, chats: Map<string, readonly PhoneMessage[]>) {
    this.#file = place.file;
    this.#warn = place.warn;
    this.#chats = chats;
  }

  /** Reads the file when there is one. One that cannot be understood is moved aside, and the chats begin anew. */
  static async open(file: string, warn: Warn): Promise<ChatHistory> {
    const source = await readIfThere(file);
    if (source === undefined) return new ChatHistory({ file, warn }, new Map());
    try {
      const { chats } = HistoryFile.parse(JSON.parse(source));
      return new ChatHistory(
        { file, warn },
        new Map(Object.entries(chats).map(([id, chat]) => [id, chat.map(settled)])),
      );
    } catch (error) {
      const aside = `${file}.unreadable-${Date.now()}`;
      await rename(file, aside);
      warn(`The chats in ${file} cannot be read and were moved to ${aside}`, error);
      return new ChatHistory({ file, warn }, new Map());
    }
  }

  /** Oldest first. */
  of(customerId: string): readonly PhoneMessage[] {
    return this.#chats.get(customerId) ?? [];
  }

  /** Puts a message at the end; one that is said again moves there. */
  add(customerId: string, message: PhoneMessage): void {
    const others = this.of(customerId).filter((each) => each.id !== message.id);
    this.#chats.set(customerId, [...others, message].slice(-MESSAGES_MAX));
    this.#save();
  }

  /** Changes a message where it stands. One that has left the chat since stays away. */
  replace(customerId: string, message: PhoneMessage): void {
    const chat = this.of(customerId).map((each) => (each.id === message.id ? message : each));
    this.#chats.set(customerId, chat);
    this.#save();
  }

  /** Resolves when everything is in the file. */
  async close(): Promise<void> {
    while (this.#saving !== undefined) await this.#saving;
  }

  /** One write at a time; what changes meanwhile goes into the next one, however much it is. */
  #save(): void {
    this.#isStale = true;
    this.#saving ??= this.#writeUntilFresh();
  }

  async #writeUntilFresh(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      const draft = `${this.#file}.draft`;
      try {
        const chats = Object.fromEntries(this.#chats);
        await writeFile(draft, JSON.stringify({ version: 1, chats }), { mode: 0o600 });
        await rename(draft, this.#file);
      } catch (error) {
        this.#warn(`The chats could not be written to ${this.#file}; they go on in memory`, error);
      }
    }
    this.#saving = undefined;
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Nobody waits any more for what was being sent when the process ended. */
function settled(message: PhoneMessage): PhoneMessage {
  const wasCutOff = message.from === 'customer' && message.ticks === 'sending';
  return wasCutOff ? { ...message, ticks: 'refused' } : message;
}
