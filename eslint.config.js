import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** `Date.now()` and friends live in platform/time.ts alone, so that a test can move the clock. */
const clockRule = {
  selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
  message: 'Take the time from src/platform/time.ts.',
};

export default tseslint.config(
  { ignores: ['node_modules', '.plantao', 'coverage'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['*.js', '*.cjs', 'test/support/*.js', 'sandbox/phone/*.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      eqeqeq: 'error',
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', 3],
      'no-console': 'error',
      'no-restricted-syntax': ['error', clockRule],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      '@typescript-eslint/prefer-readonly': 'error',
    },
  },
  {
    files: ['src/platform/time.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  {
    // A suite is one long function of short facts, and commands talk to a terminal.
    files: [
      '**/*.test.ts',
      'test/**',
      'bench/**',
      'load/**',
      'local/**',
      'sandbox/**',
      'migrations/**',
      'src/**/*-command.ts',
      'backup/*command.ts',
    ],
    rules: { 'max-lines-per-function': 'off', 'no-console': 'off', 'no-restricted-syntax': 'off' },
  },
  {
    files: ['**/*.js', '**/*.cjs'],
    ...tseslint.configs.disableTypeChecked,
  },
  {
    files: ['sandbox/phone/*.js'],
    languageOptions: {
      globals: {
        window: 'readonly',
        document: 'readonly',
        fetch: 'readonly',
        EventSource: 'readonly',
        localStorage: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        setInterval: 'readonly',
        requestAnimationFrame: 'readonly',
        navigator: 'readonly',
        Intl: 'readonly',
      },
    },
  },
  {
    files: ['test/support/*.js'],
    languageOptions: { globals: { console: 'readonly' } },
  },
  {
    files: ['**/*.cjs'],
    languageOptions: { globals: { module: 'writable', require: 'readonly', __dirname: 'readonly' } },
  },
);
