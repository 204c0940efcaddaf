import { InvalidArgumentError, type Command } from 'commander';
import type { Cli } from './context.ts';
import type { Does } from './program.ts';

const JSON_OPTION = ['--json', 'print JSON'] as const;

/** `looper notify test` and `looper hooks test`: what the configuration would do, tried. */
export function addTrials(program: Command, cli: Cli, does: Does): void {
  const load = () => import('./trials.ts');

  program
    .command('notify')
    .description('the channels of announcements')
    .command('test')
    .description('send a test message through every channel and say what came of it')
    .option(...JSON_OPTION)
    .action(does(async (options: object) => (await load()).tryChannels(cli, options)));

  program
    .command('hooks')
    .description('the webhooks of LOOPER_CONFIG_FILE')
    .command('test')
    .description('what a hook would make of a payload; nothing is started')
    .argument('<name>')
    .requiredOption('--payload <file>', 'the JSON body of a delivery')
    .option('-H, --header <name: value>', 'a header of it, several times', header)
    .option(...JSON_OPTION)
    .action(
      does(async (name: string, options: { payload: string }) =>
        (await load()).tryHook(cli, name, options),
      ),
    );
}

function header(text: string, before: Record<string, string> = {}): Record<string, string> {
  const [, name, value] = /^([\w-]+):\s*(.*)$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError('It must be like X-GitHub-Event: issues.');
  return { ...before, [name]: value ?? '' };
}
