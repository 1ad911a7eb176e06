const floors = [
  ['platform', []],
  ['vocabulary', ['platform']],
  ['vendors', ['platform', 'vocabulary']],
  ['tenants', ['platform', 'vocabulary']],
  ['inbound', ['platform', 'vocabulary', 'tenants']],
  ['knowledge', ['platform', 'vocabulary', 'tenants']],
  ['delivery', ['platform', 'vocabulary', 'tenants']],
  ['media', ['platform', 'vocabulary', 'tenants']],
  ['privacy', ['platform', 'vocabulary', 'tenants']],
  ['handoff', ['platform', 'vocabulary', 'tenants', 'inbound', 'knowledge', 'delivery', 'media', 'privacy']],
  [
    'conversation',
    ['platform', 'vocabulary', 'tenants', 'inbound', 'knowledge', 'delivery', 'media', 'privacy', 'handoff'],
  ],
  [
    'recovery',
    [
      'platform',
      'vocabulary',
      'tenants',
      'inbound',
      'knowledge',
      'delivery',
      'media',
      'privacy',
      'handoff',
      'conversation',
    ],
  ],
  [
    'panel',
    [
      'platform',
      'vocabulary',
      'tenants',
      'inbound',
      'knowledge',
      'delivery',
      'media',
      'privacy',
      'handoff',
      'conversation',
    ],
  ],
];

/** An import goes down, never up: one rule a floor, made from the table above. */
const floorRules = floors.map(([floor, below]) => ({
  name: `floor-${floor}`,
  comment: `src/${floor} may import only: ${[floor, ...below].join(', ')}`,
  severity: 'error',
  from: { path: `^src/${floor}/`, pathNot: '\\.test\\.ts$|-command\\.ts$' },
  to: {
    path: '^(src|workers|local|sandbox|test|bench|migrations)/',
    pathNot: `^src/(${[floor, ...below].join('|')})/`,
  },
}));

const domains = 'tenants|inbound|knowledge|delivery|media|privacy|handoff|conversation';

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...floorRules,
    {
      name: 'through-the-door',
      comment: 'Another domain is entered by its door, the file that bears the folder name. The door does no I/O.',
      severity: 'error',
      from: { path: `^src/(${domains})/`, pathNot: '\\.test\\.ts$|-command\\.ts$' },
      to: { path: `^src/(${domains})/`, pathNot: ['^src/$1/', `^src/(${domains})/\\1\\.ts$`] },
    },
    {
      name: 'vendor-libraries-stay-with-their-vendor',
      severity: 'error',
      from: { path: '^(src|workers)/', pathNot: '^src/vendors/gemini/' },
      to: { path: '@google/generative-ai' },
    },
    {
      name: 'product-does-not-need-the-sandbox',
      severity: 'error',
      from: { path: '^(src|workers)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^(local|sandbox|test|bench)/' },
    },
    {
      name: 'no-development-dependencies-in-production',
      severity: 'error',
      from: { path: '^(src|workers|migrations)/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: '^node_modules/@types/' },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, path: '^(src|workers)/', pathNot: '\\.test\\.ts$' },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
