/** What the demo works on: a tiny library, three tickets, and what the scripted agent does about them. */

/** The repository's first commit, by path. */
export const FILES: Readonly<Record<string, string>> = {
  'README.md': '# slug\n\nTurns titles into names of files. There is nothing here yet.\n',
  'package.json': `${JSON.stringify({ name: 'slug', private: true, type: 'module' }, null, 2)}\n`,
};

export interface DemoTicket {
  readonly file: string;
  readonly title: string;
  readonly text: string;
}

export const TICKETS: readonly DemoTicket[] = [
  ticket(
    'TICKET-001-function.md',
    'Write slugify()',
    `\`slug.js\` exports \`slugify(title)\`: lower case, everything but letters and digits becomes one
"-", none at the ends. \`Hello, World!\` becomes \`hello-world\`. No packages.`,
  ),
  ticket(
    'TICKET-002-test.md',
    'Test slugify(), accents included',
    `\`node slug.test.js\` checks a few titles with Node's own \`assert\` and exits with 1 when one is
wrong. \`Crème brûlée\` must become \`creme-brulee\`; mend \`slug.js\` where it does not.`,
  ),
  ticket(
    'TICKET-003-readme.md',
    'Say in the README how to use it',
    'The README shows one call of `slugify()` with its result, and how to run the test.',
  ),
];

function ticket(file: string, title: string, body: string): DemoTicket {
  const head = `agent: codex\ndone: false\ntitle: ${JSON.stringify(title)}\n`;
  return { file, title, text: `---\n${head}---\n${body}\n` };
}

/** One thing that the scripted agent does; `run` is a shell command, `finish` marks the ticket. */
export type Step =
  | { readonly do: 'say'; readonly text: string }
  | { readonly do: 'write'; readonly path: string; readonly text: string }
  | { readonly do: 'run'; readonly command: string }
  | { readonly do: 'finish' };

const FIRST_SLUG = `/** Turns a title into the name of a file. */
export function slugify(title) {
  return title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}
`;

const SLUG = FIRST_SLUG.replace(
  '    .toLowerCase()',
  `    .normalize('NFD')
    .replace(/\\p{M}/gu, '')
    .toLowerCase()`,
);

const TEST = `import assert from 'node:assert/strict';
import { slugify } from './slug.js';

const WANTED = {
  'Hello, World!': 'hello-world',
  ' -- ': '',
  'Crème brûlée': 'creme-brulee',
};
for (const [title, slug] of Object.entries(WANTED)) {
  try {
    assert.equal(slugify(title), slug);
    console.log(\`ok      \${JSON.stringify(title)}\`);
  } catch {
    console.log(\`not ok  \${JSON.stringify(title)}: \${slugify(title)}\`);
    process.exitCode = 1;
  }
}
`;

const README = `# slug

Turns titles into names of files.

\`\`\`js
import { slugify } from './slug.js';

slugify('Crème brûlée'); // creme-brulee
\`\`\`

\`node slug.test.js\` runs the test.
`;

/** The scripted agent's part: the turns of each ticket, by the ticket's file. */
export const PARTS: Readonly<Record<string, readonly (readonly Step[])[]>> = {
  'TICKET-001-function.md': [
    [
      {
        do: 'say',
        text: 'I am the scripted agent: I play a fixed part, and no model is asked anything.',
      },
      { do: 'write', path: 'slug.js', text: FIRST_SLUG },
      {
        do: 'run',
        command: `node --input-type=module -e "import { slugify } from './slug.js'; console.log(slugify('Hello, World!'))"`,
      },
      { do: 'finish' },
      { do: 'say', text: 'slugify() is written. Done.' },
    ],
  ],
  'TICKET-002-test.md': [
    [
      { do: 'write', path: 'slug.test.js', text: TEST },
      { do: 'run', command: 'node slug.test.js' },
      {
        do: 'say',
        text: 'Accents come out wrong, so the ticket stays open: I go on in another turn.',
      },
    ],
    [
      { do: 'write', path: 'slug.js', text: SLUG },
      { do: 'run', command: 'node slug.test.js' },
      { do: 'finish' },
      { do: 'say', text: 'All titles come out right. Done.' },
    ],
  ],
  'TICKET-003-readme.md': [
    [
      { do: 'write', path: 'README.md', text: README },
      { do: 'finish' },
      { do: 'say', text: 'The README says how to use it. Done.' },
    ],
  ],
};
