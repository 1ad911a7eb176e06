import { z } from 'zod';

/** What one program of the bench does when it is told to. */
export type Handlers = Readonly<Record<string, (body: unknown) => unknown>>;

const Command = z.object({ id: z.number(), name: z.string(), body: z.unknown() });

export const CommandAnswer = z.union([
  z.object({ id: z.number(), result: z.unknown() }),
  z.object({ id: z.number(), error: z.string() }),
]);

/** Answers the commands of the process that started this one, and ends with it. */
export function answerCommands(handlers: Handlers): void {
  process.on('message', (message) => {
    const { id, name, body } = Command.parse(message);
    run(handlers, name, body).then(
      // JSON drops what is undefined, and the other side could not tell an answer without a result from no answer.
      (result) => process.send?.({ id, result: result ?? null }),
      (error: unknown) => process.send?.({ id, error: error instanceof Error ? error.message : String(error) }),
    );
  });
  process.on('disconnect', () => process.exit(0));
  // The terminal's Ctrl-C reaches every process of the group; who ends this one is the process that started it.
  process.on('SIGINT', () => undefined);
}

async function run(handlers: Handlers, name: string, body: unknown): Promise<unknown> {
  const handler = handlers[name];
  if (handler === undefined) throw new Error(`There is no command ${name}`);
  return await handler(body);
}
