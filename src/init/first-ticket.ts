import { DOCUMENT_CHARS } from '../tickets/context.ts';

const PAGE_PATH = '.looper/context/project.md';
const LIMIT = DOCUMENT_CHARS.toLocaleString('en');

/**
 * The first ticket of a workspace. An idle service takes it at once, so it is one that is useful in
 * every project and can do no harm: it fills in one page.
 */
export const FIRST_TICKET = {
  title: 'Describe this project for the agents that work on it',
  body: `
Every prompt carries the pages in \`.looper/context/\`. \`${PAGE_PATH}\` has headings and few
answers so far. Read the repository and fill them in.

- Change that page and this ticket, and no other file.
- Write what you have seen in the repository or tried yourself. Try the commands for building,
  testing and checking where they need no network, and say which of them you could not try.
- Keep what people wrote there, and leave "Do not touch" to them unless the repository says it.
- Stay below ${LIMIT} characters: what is longer is cut off in the prompts.

Done when a newcomer who reads only that page could make a small change and check it.
`,
} as const;

/** What agents should know of the project, as headings for a person or the first ticket to fill in. */
export const CONTEXT_PAGE = `# This project

<!-- Every prompt carries this page, up to ${LIMIT} characters of it. Say what an agent cannot see
     quickly in the files, and correct it when an agent gets something wrong twice. -->

## What it is, and for whom

## How to build, test and check it

## How it is laid out

## House rules

## Do not touch
`;

export const CONTEXT_PAGE_NAME = 'project.md';

/** What agents write for people and for one run only is nobody's source code. */
export const LOOPER_GITIGNORE = 'outbox/\n';
