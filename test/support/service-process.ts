import { NodeProcess } from './node-process.ts';

/** The HTTP service as production runs it: `node src/main.ts`, on a port of its own. */
export async function startServiceProcess(
  environment: Readonly<Record<string, string>>,
  more: { readonly preload?: string } = {},
): Promise<NodeProcess> {
  return await NodeProcess.start({ file: 'src/main.ts', startedEvent: 'service.started', environment, ...more });
}
