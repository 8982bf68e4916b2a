// Builds dist/. With --check: builds elsewhere and fails if dist/ is not what comes out.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const dist = join(here, 'dist');
/** The most bytes of the client, after gzip -9. */
export const LIMIT = 4096;

const common = {
  absWorkingDir: here, bundle: true, minify: true, target: 'es2022', charset: 'utf8', legalComments: 'none', logLevel: 'warning',
};

/** Writes everything into the folder. */
export async function buildInto(folder) {
  mkdirSync(folder, { recursive: true });
  const modules = ['index', 'axios', 'banner', 'react', 'services', 'unsafe-local-storage'];
  await build({
    ...common, entryPoints: modules.map((name) => `src/${name}.ts`), outdir: folder, format: 'esm', bundle: true,
  });
  await build({ ...common, entryPoints: ['src/script.ts'], outfile: join(folder, 'countersign.js'), format: 'iife' });
  await build({
    ...common, entryPoints: ['src/banner.ts'], outfile: join(folder, 'countersign-banner.js'), format: 'iife',
  });
  const tsc = join(here, 'node_modules', 'typescript', 'bin', 'tsc');
  execFileSync(process.execPath, [tsc, '-p', join(here, 'tsconfig.json'), '--outDir', join(folder, 'types')], { stdio: 'inherit' });
}

/** Every file below a folder, with its bytes. */
export function files(folder) {
  const all = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = all.map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)));
  return new Map(paths.sort().map((path) => [path, readFileSync(join(folder, path))]));
}

export const gzipped = (bytes) => gzipSync(bytes, { level: 9 }).length;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--check')) {
    const other = mkdtempSync(join(tmpdir(), 'countersign-browser-'));
    await buildInto(other);
    const [built, committed] = [files(other), files(dist)];
    const names = [...new Set([...built.keys(), ...committed.keys()])];
    const different = names.filter((name) => !built.get(name)?.equals(committed.get(name) ?? Buffer.alloc(0)));
    rmSync(other, { recursive: true });
    if (different.length > 0) {
      console.error(`dist/ is not what src/ builds; run: node build.mjs\n  ${different.join('\n  ')}`);
      process.exit(1);
    }
  } else {
    rmSync(dist, { recursive: true, force: true });
    await buildInto(dist);
  }
  for (const [name, bytes] of files(dist)) {
    if (name.endsWith('.js')) console.log(`${name.padEnd(28)} ${String(bytes.length).padStart(6)} B  ${String(gzipped(bytes)).padStart(5)} B gzip -9`);
  }
}
