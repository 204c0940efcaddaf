import { dirname, isAbsolute } from 'node:path';
import { isPrintable } from '../tickets/text.ts';
import { placeThatMoves } from './moving.ts';

/** What a service manager has to start, and with which environment. All paths are absolute. */
export interface Service {
  readonly node: string;
  /** `dist/cli.js`. */
  readonly cli: string;
  readonly homeDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
}

export interface ServiceSources {
  readonly node: string;
  readonly cli: string;
  readonly homeDirectory: string;
  /** Of the shell that the service is set up from. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly envFile: string;
}

/** Where logs and codex's login lie: a service manager knows nothing of what a shell's start sets. */
const CARRIED_OVER = ['XDG_STATE_HOME', 'CODEX_HOME'] as const;
const EVERYWHERE = ['/usr/local/bin', '/usr/bin', '/bin'];

/**
 * The service as it would run for this person. No secret is in it: settings stay in the env file,
 * which Looper reads itself, so they never enter an environment that other processes can read.
 */
export function describeService({ env, envFile, ...place }: ServiceSources): Service {
  const carried = CARRIED_OVER.flatMap((name) => {
    const value = env[name];
    return value !== undefined && isAbsolute(value) ? [[name, value] as const] : [];
  });
  return {
    ...place,
    environment: {
      PATH: servicePath(env['PATH'] ?? '', dirname(place.node)),
      LOOPER_ENV_FILE: envFile,
      // A restart of the service is no reason to end work; `looper stop` is.
      LOOPER_ON_SHUTDOWN: 'detach',
      ...Object.fromEntries(carried),
    },
  };
}

/**
 * The shell's PATH, so that the agent finds the tools that its person has, without what is there
 * for this shell or this command only. Node's own folder belongs to it: codex from npm is started
 * by `env node`.
 */
export function servicePath(given: string, nodeDirectory: string): string {
  const lasting = given.split(':').filter((folder) => isAbsolute(folder) && isLasting(folder));
  const own = lasting.includes(nodeDirectory) ? [] : [nodeDirectory];
  return [...new Set([...own, ...lasting, ...EVERYWHERE])].join(':');
}

function isLasting(folder: string): boolean {
  return (
    isPrintable(folder) &&
    !folder.includes('/node_modules/.bin') &&
    placeThatMoves(folder)?.lasts !== 'this shell'
  );
}
