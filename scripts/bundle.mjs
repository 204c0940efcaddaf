/**
 * Bundles the entries with all that they import into `dist/`. Node then opens 33 files instead of
 * 784. The names of functions and the lines stay, for the stack traces in a log.
 */
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { minifySync } from 'rolldown/utils';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

/**
 * A bundle of its own each: a runner opens its own files only. `cli` comes last, and its entry is
 * written after everything else: setup.mjs takes that for the sign of a whole build.
 */
const ENTRIES = {
  runner: 'src/runner.ts',
  'demo/scripted-agent': 'src/demo/scripted-agent.ts',
  cli: 'src/cli.ts',
};
/** All that pino-roll uses of date-fns, which is CommonJS and would come whole: 0.6 MB. */
const DATE_FNS = ['addDays', 'addHours', 'format', 'isValid', 'parse'];

const packages = new Set();
const chunks = [];
for (const [name, entry] of Object.entries(ENTRIES)) {
  const bundle = await rolldown({
    input: { [name]: join(root, entry) },
    platform: 'node',
    plugins: [datesOfPinoRoll(), shorten()],
  });
  const { output } = await bundle.generate({
    comments: false,
    minify: false,
    chunkFileNames: `${name}/[name].js`,
  });
  await bundle.close();
  chunks.push(...output);
  for (const chunk of output) notePackages(Object.keys(chunk.modules ?? {}));
}
place('LICENSES.txt', licenses());
for (const { isEntry, fileName, code } of chunks) if (!isEntry) place(fileName, code);
for (const { isEntry, fileName, code } of chunks) if (isEntry) place(fileName, code);

/** Whole or not at all: a service may start from these files meanwhile, or another build be under way. */
function place(fileName, text) {
  const path = join(root, 'dist', fileName);
  mkdirSync(dirname(path), { recursive: true });
  const unfinished = `${path}.${process.pid}.tmp`;
  writeFileSync(unfinished, text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
  renameSync(unfinished, path);
}

function datesOfPinoRoll() {
  const id = '\0date-fns';
  return {
    name: 'dates-of-pino-roll',
    resolveId: (source) => (source === 'date-fns' ? id : null),
    load: (loaded) => (loaded === id ? DATE_FNS.map(exportLine).join('\n') : null),
  };
}

function exportLine(name) {
  const path = join(dirname(require.resolve('date-fns/package.json')), `${name}.js`);
  return `export { ${name} } from ${JSON.stringify(path)};`;
}

/**
 * What a process keeps of its source for as long as it lives: short local names, and no character
 * outside of Latin-1, of which a single one makes V8 hold the whole file with two bytes each.
 */
function shorten() {
  const escape = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const options = {
    module: true,
    compress: true,
    mangle: { keepNames: true },
    codegen: { removeWhitespace: false },
  };
  return {
    name: 'shorten',
    renderChunk(source, { fileName }) {
      const { code, errors } = minifySync(fileName, source, options);
      if (errors.length > 0) throw new Error(`${fileName}: ${errors[0].message}`);
      return { code: code.replaceAll(/[^\0-\x7f]/g, escape), map: null };
    },
  };
}

function notePackages(modules) {
  for (const module of modules) {
    const [, name] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(module) ?? [];
    if (name !== undefined) packages.add(name);
  }
}

/** Whoever passes their code on has to pass on their notices. */
function licenses() {
  return [...packages]
    .toSorted((a, b) => a.localeCompare(b))
    .map((name) => {
      const directory = join(root, 'node_modules', name);
      const { version, license } = JSON.parse(
        readFileSync(join(directory, 'package.json'), 'utf8'),
      );
      const file = readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry));
      const text = file === undefined ? '' : readFileSync(join(directory, file), 'utf8').trim();
      return `${name} ${version} (${license})\n\n${text}\n`;
    })
    .join(`\n${'-'.repeat(78)}\n\n`);
}
