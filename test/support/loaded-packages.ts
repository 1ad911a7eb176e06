import { registerHooks } from 'node:module';

/** Loaded before a program: says at its end which packages it has loaded. */
const packages = new Set<string>();

registerHooks({
  resolve: (specifier, context, next) => {
    const resolved = next(specifier, context);
    const [, name] = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(resolved.url) ?? [];
    if (name !== undefined) packages.add(name);
    return resolved;
  },
});

process.on('exit', () => {
  process.stdout.write(`\n${JSON.stringify({ event: 'packages.loaded', packages: [...packages] })}\n`);
});
