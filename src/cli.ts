#!/usr/bin/env node
/** The entry: arguments, environment, signals and exit codes. Everything else is told by arguments. */
import { CommanderError } from 'commander';
import { closeSync, existsSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { isatty } from 'node:tty';
import { fileURLToPath } from 'node:url';
import type { Cli } from './cli/context.ts';
import { EXIT, exitCodeOf, type ExitCode } from './cli/exit.ts';
import { readInput, waitForLine } from './cli/input.ts';
import { createOutput } from './cli/output.ts';
import { createProgram } from './cli/program.ts';
import { inspectConfig, loadConfig, type Config, type ConfigSources } from './config.ts';
import { messageOf, systemErrorCode } from './errors.ts';
import { inert } from './render/inert.ts';
import { readVersion } from './version.ts';

const ownFile = fileURLToPath(import.meta.url);
const looperDirectory = dirname(dirname(ownFile));
const version = readVersion(looperDirectory);
// Next to this file, in the language that this file is in.
const runnerEntry = join(dirname(ownFile), `runner${extname(ownFile)}`);

// Whoever reads our output may be gone; that must not keep us from ending what we started.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

let interruption: AbortController | null = null;
let config: Config | null = null;

const cli: Cli = {
  version,
  entry: ownFile,
  homeDirectory: homedir(),
  looperDirectory,
  runnerEntry,
  config: () => (config ??= loadConfig(configSources())),
  inspectConfig: () => inspectConfig(configSources()),
  currentDirectory: process.cwd(),
  environment: process.env,
  output: createOutput(process.stdout, process.stderr, process.env),
  input: {
    isTerminal: isatty(process.stdin.fd),
    read: () => readInput(process.stdin, cli.interrupted()),
    enter: () => waitForLine(process.stdin, cli.interrupted()),
  },
  interrupted: (others = []) => (interruption ??= listenForInterrupt(others)).signal,
};

try {
  process.exit(await createProgram(cli, serve).run(process.argv.slice(2)));
} catch (error) {
  process.exit(tellFailure(error));
}

async function serve(): Promise<ExitCode> {
  // From the start: who is stopped while it starts ends as configured too.
  const asked = firstSignal();
  for (const warning of cli.config().warnings) process.stderr.write(`warning: ${warning}\n`);
  // The verbs of the command line need none of it.
  const { startDaemon } = await import('./daemon.ts');
  const daemon = await startDaemon({
    config: cli.config(),
    version,
    looperDirectory,
    runnerEntry,
    environment: process.env,
  });
  process.stdout.write(`${daemon.greeting}\n`);
  const signal = await asked;
  process.stderr.write(`${signal}: shutting down; a second signal exits now.\n`);
  process.once('SIGINT', () => process.exit(EXIT.interrupted));
  process.once('SIGTERM', () => process.exit(EXIT.interrupted));
  await daemon.stop();
  // At its exit Node restores the modes of its terminal, and aborts where that has gone.
  if (signal === 'SIGHUP') for (const stream of [0, 1, 2]) closeSync(stream);
  return EXIT.done;
}

function configSources(): ConfigSources {
  return {
    env: process.env,
    looperDirectory,
    isClone: existsSync(join(looperDirectory, '.git')),
    homeDirectory: homedir(),
    currentDirectory: process.cwd(),
    temporaryDirectory: tmpdir(),
  };
}

function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      process.once(signal, () => resolve(signal));
    }
  });
}

function listenForInterrupt(others: readonly NodeJS.Signals[]): AbortController {
  const controller = new AbortController();
  for (const signal of others) process.on(signal, () => controller.abort());
  process.once('SIGINT', () => {
    process.on('SIGINT', () => {
      if (others.length === 0) process.exit(EXIT.interrupted);
    });
    controller.abort();
  });
  return controller;
}

/** Says on stderr what went wrong, and returns the exit code. */
function tellFailure(error: unknown): ExitCode {
  cli.output.live('');
  // Commander has printed what it has to say.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  // Somebody has seen enough: `looper logs | head`.
  if (systemErrorCode(error) === 'EPIPE') return EXIT.failed;
  const exitCode = exitCodeOf(error);
  if (exitCode === null && interruption?.signal.aborted === true) return EXIT.interrupted;
  if (exitCode === null) {
    const text = error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
    process.stderr.write(`${text}\n`);
    return EXIT.failed;
  }
  // The message may quote what a service, or a file that an agent wrote, says.
  const message = inert(messageOf(error));
  if (message !== '') cli.output.message(message);
  return exitCode;
}
