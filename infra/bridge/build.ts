/** `npm run build:bridge`: the bridge in one file that needs only Node, `dist/bridge.mjs`, with its source map. */
import { build } from 'esbuild';

await build({
  entryPoints: ['infra/bridge/main.ts'],
  outfile: 'dist/bridge.mjs',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  sourcemap: true,
  sourcesContent: false,
  logLevel: 'warning',
  // Dependencies that are CommonJS ask for Node's modules with `require`.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
});
