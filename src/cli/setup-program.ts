import type { Command } from 'commander';
import type { Cli } from './context.ts';
import type { Does } from './program.ts';

const JSON_OPTION = ['--json', 'print JSON'] as const;
const PRINT_OPTION = ['--print', 'print it and write nothing'] as const;
const FORCE_OPTION = ['--force', 'replace the one that is there (never the env file)'] as const;

/** The verbs for whoever begins with Looper, or sets it up. */
export function addSetup(program: Command, cli: Cli, does: Does): void {
  program
    .command('demo')
    .description('see it work: three tickets in a temporary repository, with a scripted agent')
    .option('--real', 'let the installed codex do it (an account, the network and tokens)')
    .option('--keep', 'leave the folder and its logs where they are')
    .action(does(async (options: object) => (await import('./demo.ts')).demo(cli, options)));

  const init = program
    .command('init')
    .description('write what a service manager or a first ticket run needs');

  for (const manager of ['systemd', 'launchd'] as const) {
    init
      .command(manager)
      .description(
        manager === 'systemd'
          ? 'a user unit whose restart leaves the run alone, and an env file'
          : 'a launch agent whose restart leaves the run alone, and an env file',
      )
      .option(...PRINT_OPTION)
      .option(...FORCE_OPTION)
      .action(
        does(async (options: object) =>
          (await import('./init-service.ts')).initService(cli, manager, options),
        ),
      );
  }
  init
    .command('tickets')
    .description('a first ticket, and a page that tells agents about the project')
    .option('-w, --workspace <directory>', 'default: LOOPER_WORKSPACE, else the current directory')
    .option(...PRINT_OPTION)
    .action(
      does(async (options: object) =>
        (await import('./init-tickets.ts')).initTickets(cli, options),
      ),
    );

  program
    .command('doctor')
    .description('what works here, what does not, and what to do; changes and sends nothing')
    .option(...JSON_OPTION)
    .action(does(async (options: object) => (await import('./doctor.ts')).doctor(cli, options)));
}
