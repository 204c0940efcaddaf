import { resolveBinary, type ResolvedBinary } from '../codex/binary.ts';
import { ask, firstWords, type AskOptions } from './ask.ts';
import { failure, ok, warning, type Finding } from './finding.ts';

/** The codex that the end-to-end tests run, and from which every fact about it was measured. */
export const TESTED_CODEX = '0.169.0';
const VERSION_MS = 10_000;

const SOURCES: Readonly<Record<ResolvedBinary['source'], string>> = {
  request: 'named by a request',
  env: 'CODEX_EXEC_BINARY',
  local: "built in Looper's own directory",
  path: 'on PATH',
};

/** Finds the agent as a run would; throws `CODEX_NOT_FOUND`. */
export async function findAgent(
  where: Omit<Parameters<typeof resolveBinary>[0], 'requested'>,
): Promise<{ readonly path: string; readonly finding: Finding }> {
  const { path, source } = await resolveBinary({ ...where, requested: null });
  return { path, finding: ok('agent.binary', `${path} (${SOURCES[source]})`) };
}

/** `options`: a `CODEX_HOME` of its own, for codex leaves files in it at every call. */
export async function checkVersion(
  binary: string,
  options: Omit<AskOptions, 'deadlineMs'>,
): Promise<Finding> {
  const answer = await ask([binary, '--version'], { ...options, deadlineMs: VERSION_MS });
  if (answer.kind === 'ended' && answer.code === 0) return judgeVersion(answer.stdout);
  const why =
    answer.kind === 'late'
      ? `it did not answer within ${VERSION_MS / 1000} s`
      : answer.kind === 'absent'
        ? answer.why
        : firstWords(answer.stderr);
  return failure(
    'agent.version',
    `${binary} --version failed: ${why}`,
    'Run it by hand; `npm install -g @openai/codex` installs it anew',
  );
}

/** `output`: of `codex --version`. */
export function judgeVersion(output: string): Finding {
  const id = 'agent.version';
  const version = /\b(\d+)\.(\d+)\.(\d+)\S*/.exec(output);
  if (version === null) {
    const what = `--version said ${JSON.stringify(firstWords(output))}, which is not codex's way`;
    return warning(id, what, 'Look whether CODEX_EXEC_BINARY names codex');
  }
  const [shown] = version;
  if (shown === TESTED_CODEX) return ok(id, `codex ${shown}, as tested`);
  const given = version.slice(1).map(Number);
  const tested = TESTED_CODEX.split('.').map(Number);
  const apart = given.findIndex((part, index) => part !== tested[index]);
  const isOlder = apart >= 0 && (given[apart] ?? 0) < (tested[apart] ?? 0);
  return warning(
    id,
    `codex ${shown} is ${isOlder ? 'older' : 'newer'} than ${TESTED_CODEX}, with which Looper is tested`,
    isOlder
      ? '`npm install -g @openai/codex` brings a later one'
      : `Watch its first run; \`npm install -g @openai/codex@${TESTED_CODEX}\` brings that one`,
  );
}
