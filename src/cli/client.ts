import { z } from 'zod';
import { messageOf, systemErrorCode } from '../errors.ts';
import { exitCodeFor, isOfThisMachine, Refused, Unreachable } from './client-errors.ts';
import { CliError, EXIT } from './exit.ts';

const ANSWER_MS = 10_000;
/** A service that is there says so at once; one that hangs counts as absent after this. */
const HEALTH_MS = 3_000;

export interface Client {
  readonly url: string;
  /** Whether its address can only mean this machine, whose files may be looked at instead. */
  readonly isLocal: boolean;
  /** Null when it answers; else why it counts as absent. */
  absence(): Promise<Unreachable | null>;
  get<T>(path: string, schema: z.ZodType<T>): Promise<T>;
  post<T>(path: string, schema: z.ZodType<T>, options?: PostOptions): Promise<T>;
  /** An answer whose body is read bit by bit; only its beginning has a deadline. */
  open(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
}

interface Request {
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface PostOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
}

/** Talks to a service over HTTP. Throws `Unreachable`, `Refused` or a `CliError`, nothing else. */
export function createClient(options: {
  readonly url: string;
  readonly token: string | undefined;
  readonly version: string;
  readonly signal: AbortSignal;
}): Client {
  const { url, token, signal } = options;

  const send = async (
    path: string,
    { headers, ...init }: Request,
    deadlineMs: number,
  ): Promise<Response> => {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), deadlineMs);
    try {
      return await fetch(url + path, {
        ...init,
        headers: {
          'User-Agent': `looper-cli/${options.version}`,
          ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
          ...headers,
        },
        // Followed, a redirect could carry the token to somebody else.
        redirect: 'manual',
        signal: AbortSignal.any([signal, deadline.signal]),
      });
    } catch (error) {
      if (signal.aborted) throw new CliError('', EXIT.interrupted);
      const late = deadline.signal.aborted;
      const why = late ? `no answer within ${deadlineMs / 1000} s` : whyFailed(error);
      throw new Unreachable(url, why, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  };

  const checked = async (response: Response): Promise<Response> => {
    if (response.status < 300) return response;
    throw await refusal(response);
  };

  const refusal = async (response: Response): Promise<CliError> => {
    const { status } = response;
    if (status < 400) {
      const target = response.headers.get('location') ?? 'another address';
      return new CliError(
        `${url} redirects to ${target}: name that address in LOOPER_URL.`,
        EXIT.failed,
      );
    }
    if (status === 401) return new Refused(tokenSentence(), EXIT.unauthorised, status, '');
    const problem = problemSchema.safeParse(await readJson(response));
    if (!problem.success) {
      return new CliError(
        `${url} answered ${status}, but not as Looper does: is LOOPER_URL right?`,
        EXIT.failed,
      );
    }
    const { error, code } = problem.data;
    return new Refused(error, exitCodeFor(status, code), status, code);
  };

  const tokenSentence = (): string =>
    token === undefined
      ? `The service at ${url} wants a token: set LOOPER_API_TOKEN (or LOOPER_API_TOKEN_FILE) to its own.`
      : `The service at ${url} refuses the token: set LOOPER_API_TOKEN (or LOOPER_API_TOKEN_FILE) to the one that it was started with.`;

  const parsed = async <T>(response: Response, schema: z.ZodType<T>): Promise<T> => {
    const answer = schema.safeParse(await readJson(response));
    if (answer.success) return answer.data;
    if (signal.aborted) throw new CliError('', EXIT.interrupted);
    throw new CliError(
      `What ${url} answered is not what this version of Looper (${options.version}) understands: ${z.prettifyError(answer.error)}`,
      EXIT.failed,
    );
  };

  return {
    url,
    isLocal: isOfThisMachine(url),
    absence: async () => {
      try {
        await send('/health', {}, HEALTH_MS);
        return null;
      } catch (error) {
        if (error instanceof Unreachable) return error;
        throw error;
      }
    },
    get: async (path, schema) => parsed(await checked(await send(path, {}, ANSWER_MS)), schema),
    post: async (path, schema, { body, headers = {}, deadlineMs = ANSWER_MS } = {}) => {
      const json = body === undefined ? {} : { body: JSON.stringify(body) };
      const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
      const init = { method: 'POST', ...json, headers: { ...type, ...headers } };
      return parsed(await checked(await send(path, init, deadlineMs)), schema);
    },
    open: async (path, headers = {}) => checked(await send(path, { headers }, ANSWER_MS)),
  };
}

const problemSchema = z.object({ error: z.string(), code: z.string().default('') });

/** Undefined for what is no JSON, or was cut off. */
async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return undefined;
  }
}

/** Node hides the reason: "fetch failed", with the system's error inside. */
function whyFailed(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return systemErrorCode(cause) ?? messageOf(cause ?? error);
}
