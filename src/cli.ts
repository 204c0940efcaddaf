#!/usr/bin/env node
/** The entry: arguments, environment, signals and exit codes. Everything else is told by arguments. */
import { Command } from 'commander';
import { existsSync, readFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig, type Config } from './config.ts';
import { LooperError, messageOf, systemErrorCode } from './errors.ts';
import { startDaemon } from './daemon.ts';

const EXIT = { failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;

const ownFile = fileURLToPath(import.meta.url);
const looperDirectory = dirname(dirname(ownFile));

const program = new Command('looper')
  .description('A minimal trigger service for coding agents.')
  .version(readVersion())
  .configureOutput({ outputError: (text, write) => write(text) })
  .exitOverride((error) => {
    process.exit(error.exitCode === 0 ? 0 : EXIT.usage);
  });

program
  .command('serve')
  .description('run the service: POST /run announces, stops stale agents, starts one run')
  .action(serve);

await program.parseAsync();

async function serve(): Promise<void> {
  // Whoever reads our output may be gone; that must not keep us from ending what we started.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  try {
    const config = readConfig();
    // From the start: who is stopped while it starts ends as configured too.
    const asked = firstSignal();
    const daemon = await startDaemon({
      config,
      version: readVersion(),
      looperDirectory,
      // Next to this file, in the language that this file is in.
      runnerEntry: join(dirname(ownFile), `runner${extname(ownFile)}`),
      environment: process.env,
    });
    process.stdout.write(`${daemon.greeting}\n`);
    const signal = await asked;
    process.stderr.write(`${signal}: shutting down; a second signal exits now.\n`);
    process.once('SIGINT', () => process.exit(EXIT.interrupted));
    process.once('SIGTERM', () => process.exit(EXIT.interrupted));
    await daemon.stop();
    process.exit(0);
  } catch (error) {
    fail(error);
  }
}

function readConfig(): Config {
  const config = loadConfig({
    env: process.env,
    looperDirectory,
    isClone: existsSync(join(looperDirectory, '.git')),
    homeDirectory: homedir(),
    currentDirectory: process.cwd(),
    temporaryDirectory: tmpdir(),
  });
  for (const warning of config.warnings) process.stderr.write(`warning: ${warning}\n`);
  return config;
}

function readVersion(): string {
  const text = readFileSync(join(looperDirectory, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      process.once(signal, () => resolve(signal));
    }
  });
}

function fail(error: unknown): never {
  if (!(error instanceof LooperError)) {
    process.stderr.write(
      `${error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}\n`,
    );
    process.exit(EXIT.failed);
  }
  process.stderr.write(`${error.message}\n`);
  const isTaken = error.code === 'ALREADY_RUNNING' || systemErrorCode(error.cause) === 'EADDRINUSE';
  if (isTaken) process.exit(EXIT.unreachable);
  process.exit(error.code === 'CONFIG_INVALID' ? EXIT.usage : EXIT.failed);
}
