import { stripTypeScriptTypes } from 'node:module';

/** Jest's transformer: the same type stripping that Node itself does, line numbers kept. */
export default {
  process: (source) => ({ code: stripTypeScriptTypes(source) }),
};
