import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import type { Cli } from './context.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { parseSince } from './since.ts';
import { addSetup } from './setup-program.ts';
import { addTickets } from './tickets-program.ts';
import { addTrials } from './trials-program.ts';

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 service unreachable (serve: already
running, or the port in use; stop: nothing runs), 4 busy, 5 unauthorised, 130 interrupted.

The service is found at LOOPER_URL, by default http://127.0.0.1:3456, with LOOPER_API_TOKEN where it
wants one. Without it, logs, status and stop work from the files in LOOPER_LOG_DIR.`;

const JSON_OPTION = ['--json', 'print JSON'] as const;
/** Makes an action of a verb: its exit code becomes the program's. */
export type Does = <A extends unknown[]>(
  verb: (...args: A) => Promise<ExitCode>,
) => (...args: A) => Promise<void>;

export interface Program {
  /** Returns the exit code. Throws what a verb throws, and commander's own errors. */
  run(argv: readonly string[]): Promise<ExitCode>;
}

/**
 * What the command line understands. Verbs are loaded when they are called: `looper --help` needs
 * none of them, and `serve` none of the others.
 */
export function createProgram(cli: Cli, serve: () => Promise<ExitCode>): Program {
  let exitCode: ExitCode = EXIT.done;
  const does: Does =
    (verb) =>
    async (...args) => {
      exitCode = await verb(...args);
    };

  const program = new Command('looper')
    .description('Keeps one coding agent working: a trigger, a ticket loop, one run at a time.')
    .version(cli.version)
    .showHelpAfterError('(--help tells what there is)')
    .addHelpText('after', EXIT_CODES)
    .exitOverride();

  program
    .command('serve')
    .description('run the service: POST /run announces, stops stale agents, starts one run')
    .action(does(serve));

  program
    .command('run')
    .description('start a run and follow it to its end; Ctrl-C detaches, the run goes on')
    .option('-w, --workspace <directory>', 'where the agent works (default: the current directory)')
    .option('-m, --message <text>', 'the announcement')
    .option(
      '-p, --prompt <text>',
      'one turn with this prompt; "-": from stdin (default: the tickets)',
    )
    .addOption(
      new Option('--prompt-file <path>', 'the same from a file; "-": from stdin').conflicts(
        'prompt',
      ),
    )
    .addOption(
      new Option('--on-busy <what>', 'when a run is active').choices([
        'replace',
        'reject',
        'queue',
      ]),
    )
    .option('--model <name>', 'passed to the agent')
    .option('--reasoning <level>', 'passed to the agent')
    .option('-d, --detach', 'print the run id and return at once')
    .option('--json', 'print the final record as JSON instead of the log')
    .action(does(async (options: object) => (await import('./run.ts')).run(cli, options)));

  program
    .command('stop')
    .description('end the active run; returns when all its processes are gone')
    .argument('[id]', 'a run id')
    .action(does(async (id?: string) => (await import('./stop.ts')).stop(cli, id)));

  program
    .command('status')
    .description('what runs, what waits, what comes next')
    .option(...JSON_OPTION)
    .action(does(async (options: object) => (await import('./status.ts')).status(cli, options)));

  program
    .command('logs')
    .description('the log of a run, as people read it')
    .argument('[id]', 'a run id (default: the active run, else the latest)')
    .option('-f, --follow', 'go on until the run ends')
    .option('--raw', 'the bytes of the log as they are')
    .option('--json', 'one JSON object a line, for each step of the agent')
    .addOption(
      new Option(
        '--since <when>',
        '10m, 2h, 3d or an ISO time: all runs since then, from the turn that was under way',
      ).argParser(since),
    )
    .action(
      does(async (id: string | undefined, options: object) =>
        (await import('./logs.ts')).logs(cli, id, options),
      ),
    );

  addTickets(program, cli, does);

  program
    .command('reply')
    .description('answer the question of a run; the loop starts again')
    .argument('[id]', 'a run id (default: the run that waits)')
    .argument('[text]', 'the answer (default: stdin)')
    .action(
      does(async (id?: string, text?: string) => (await import('./reply.ts')).reply(cli, id, text)),
    );

  program
    .command('autopoll')
    .description('the idle timer: when it looks next, and why it waits')
    .addArgument(
      new Argument('[action]', 'start nothing automatically, or go on').choices([
        'pause',
        'resume',
      ]),
    )
    .option(...JSON_OPTION)
    .action(
      does(async (action: 'pause' | 'resume' | undefined, options: object) =>
        (await import('./autopoll.ts')).autopoll(cli, action, options),
      ),
    );

  addTrials(program, cli, does);
  addSetup(program, cli, does);

  return {
    run: async (argv) => {
      await program.parseAsync(argv, { from: 'user' });
      return exitCode;
    },
  };
}

function since(text: string): number {
  const at = parseSince(text, Date.now());
  if (at === null)
    throw new InvalidArgumentError('It must be like 10m, 2h, 3d or 2026-03-01T10:00.');
  return at;
}
