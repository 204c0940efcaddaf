import type { Command } from 'commander';
import type { Cli } from './context.ts';
import type { Does } from './program.ts';

const JSON_OPTION = ['--json', 'print JSON'] as const;
const WORKSPACE_OPTION = [
  '-w, --workspace <directory>',
  'default: LOOPER_WORKSPACE, else the current directory',
] as const;

/** `looper tickets …` */
export function addTickets(program: Command, cli: Cli, does: Does): void {
  const tickets = program
    .command('tickets')
    .description('the tickets of a workspace on this machine');
  const load = () => import('./tickets.ts');

  tickets
    .command('list', { isDefault: true })
    .description('the queue, in order')
    .option(...WORKSPACE_OPTION)
    .option(...JSON_OPTION)
    .action(does(async (options: object) => (await load()).list(cli, options)));
  tickets
    .command('new')
    .description('write a ticket with the next number and print its path')
    .argument('<title>')
    .option(...WORKSPACE_OPTION)
    .action(
      does(async (title: string, options: object) => (await load()).create(cli, title, options)),
    );
  tickets
    .command('lint')
    .description('what keeps a ticket from running; exit code 1 when there is something')
    .option(...WORKSPACE_OPTION)
    .option('--fix', 'mend what can be meant in one way only')
    .option(...JSON_OPTION)
    .action(does(async (options: object) => (await load()).lint(cli, options)));
  for (const [verb, done] of [
    ['done', true],
    ['reopen', false],
  ] as const) {
    tickets
      .command(verb)
      .description(done ? 'mark a ticket done' : 'mark a ticket open again')
      .argument('<ticket>', 'its number, id or file name')
      .option(...WORKSPACE_OPTION)
      .action(
        does(async (name: string, options: object) =>
          (await load()).mark(cli, name, done, options),
        ),
      );
  }
}
