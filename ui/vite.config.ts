import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

// The server of `npm run dev` passes the API on to a running Weir; WEIR_URL says where that is.
const weir = process.env['WEIR_URL'] ?? 'http://127.0.0.1:8080';

/** Beside each file x.gz: Weir compresses nothing while it serves. */
function compressed(): Plugin {
  let folder = '';
  return {
    name: 'weir-compressed',
    apply: 'build',
    configResolved: config => {
      folder = join(config.root, config.build.outDir);
    },
    closeBundle: () => {
      for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
        if (!entry.isFile() || !/\.(html|js|css|svg)$/.test(entry.name)) continue;
        const path = join(entry.parentPath ?? entry.path, entry.name);
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  plugins: [compressed()],
  // No asset inside a data: URL, and no helper that a strict Content-Security-Policy would have to allow.
  build: {
    target: 'es2020',
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { port: 5173, proxy: { '/api': weir, '/metrics': weir } },
  test: { include: ['test/**/*.test.ts'] },
});
