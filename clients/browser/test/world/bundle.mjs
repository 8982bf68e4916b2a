// A module of src/ (or any text that imports from it), as Node or a page can load it.
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export const bundle = async (contents, options = {}) => {
  const { outputFiles } = await build({
    absWorkingDir: root, bundle: true, write: false, format: 'esm', target: 'es2022', logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' },
    stdin: { contents, resolveDir: root }, ...options,
  });
  return outputFiles[0].text;
};

export const load = async (contents) =>
  import(`data:text/javascript;base64,${Buffer.from(await bundle(contents)).toString('base64')}`);
