import { existsSync } from 'node:fs';
import type { AutopollStatus } from '../autopoll.ts';
import { buildAgentEnvironment } from '../codex/environment.ts';
import type { Config } from '../config.ts';
import { isProcMounted } from '../processes/proc.ts';
import { readIfThere } from '../read-if-there.ts';
import { createRedactor } from '../redact.ts';
import { createRunIdLookup } from '../runs/run-ids.ts';
import type { RunStore } from '../runs/store.ts';
import { checkVersion, findAgent } from './agent.ts';
import { checkChannels, checkOutbox } from './channels.ts';
import { guarded, warning, type Finding } from './finding.ts';
import { foretellPlan, tellPlan } from './idle-start.ts';
import { findLeftovers, tellLeftovers, type Leftovers } from './leftovers.ts';
import { checkLogs } from './log-directory.ts';
import { checkLogin } from './login.ts';
import { checkGit, checkMachine } from './machine.ts';
import { withPrivateFolder } from './private-folder.ts';
import { checkReach, otherAccounts } from './reach.ts';
import { checkRunning } from './running.ts';
import { judgeMode, probeSandbox } from './sandbox.ts';
import type { Health } from './service.ts';
import { checkConfigFile, checkVariables } from './settings.ts';
import { checkRepository, checkTickets, findWorkspace, hasWork } from './workspace.ts';

/** How far back unfinished runs are looked for. */
const RECENT_RUNS = 50;

export interface Patient {
  readonly config: Config;
  /** What is wrong with the variables. */
  readonly problems: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly homeDirectory: string;
  readonly looperDirectory: string;
  readonly version: string;
  readonly health: Health;
  /** Of a service that answers; a sentence where it refuses to tell; null without one. */
  readonly autopoll: AutopollStatus | string | null;
  readonly isLocal: boolean;
  /** Looks only: nothing is set aside or repaired. */
  readonly runs: Pick<RunStore, 'latest' | 'list' | 'find'>;
  readonly signal: AbortSignal;
}

/**
 * Everything that keeps Looper from working here, or may do so: by the files, the processes and the
 * settings, with the code that a run would use. Starts no run, sends no message, asks no model, and
 * leaves every file as it is. Never rejects for what it finds.
 */
export async function examine(patient: Patient): Promise<readonly Finding[]> {
  const { config, environment } = patient;
  const { file, findings: aboutFile } = checkConfigFile(config, environment);
  const channels = checkChannels(config, file, environment);
  const secretNames = [...config.secretNames, ...file.secretNames];
  const findings = await withPrivateFolder(config.logs.directory, (folder) =>
    examineWith(patient, {
      folder,
      environment: environmentWith(patient, config.agentEnvironment, secretNames),
      // Which of the env file's variables are secrets cannot be told where the file that names
      // them has a problem, and who only tells its version needs none.
      askingEnvironment: environmentWith(patient, {}, secretNames),
    }),
  );
  const { text } = createRedactor([
    ...config.secretValues,
    ...file.secretValues,
    ...channels.secretValues,
  ]);
  return [
    ...findings,
    ...checkVariables(config, patient.problems),
    ...aboutFile,
    ...channels.findings,
  ].map(({ id, level, what, todo }) => ({
    id,
    level,
    what: text(what),
    ...(todo === undefined ? {} : { todo: text(todo) }),
  }));
}

interface Means {
  /** Gone afterwards. */
  readonly folder: string;
  /** What an agent would get to see, but for the marker of a run. */
  readonly environment: Readonly<Record<string, string>>;
  /** What the commands get to see that are asked something here. */
  readonly askingEnvironment: Readonly<Record<string, string>>;
}

async function examineWith(patient: Patient, means: Means): Promise<readonly Finding[]> {
  const { config, environment, signal } = patient;
  const asking = { environment: means.askingEnvironment, cwd: means.folder, signal };
  const place = {
    config,
    environment,
    looperDirectory: patient.looperDirectory,
    homeDirectory: patient.homeDirectory,
    scratch: means.folder,
  };
  const { workspace, finding } = findWorkspace(place);
  const there = async (check: (workspace: string) => Promise<Finding[]>) =>
    workspace === null ? [] : check(workspace);
  const checked = await Promise.all([
    guarded('machine.node', () =>
      checkMachine({
        nodeVersion: process.versions.node,
        platform: process.platform,
        timeZone: environment['TZ'],
        hasProc: isProcMounted(),
      }),
    ),
    guarded('machine.git', () => checkGit(asking, config.codex.commit !== 'off')),
    guarded('agent.binary', () => examineAgent(patient, workspace, asking)),
    guarded('agent.login', () => [
      checkLogin({
        environment: means.environment,
        homeDirectory: patient.homeDirectory,
        extraArgs: config.codex.args,
      }),
    ]),
    guarded('workspace.git', () => there((one) => checkRepository(one, place))),
    guarded('workspace.tickets', () => there((one) => checkTickets(one, place))),
    guarded('logs.directory', () => checkLogs(config)),
    guarded('service.address', () =>
      checkReach(config, otherAccounts(readIfThere('/etc/passwd') ?? '', process.getuid?.())),
    ),
    guarded('service.running', () => checkRunning(patient, asking)),
    guarded('announcements.dead_letters', () => checkOutbox(config.logs.directory)),
    guarded('processes.leftovers', () => examineRuns(patient, workspace)),
  ]);
  return [finding, ...checked.flat()];
}

async function examineAgent(
  { config, environment, looperDirectory }: Patient,
  workspace: string | null,
  asking: { environment: Readonly<Record<string, string>>; cwd: string; signal: AbortSignal },
): Promise<readonly Finding[]> {
  const mode = judgeMode(config.codex.sandbox);
  const { path, finding } = await findAgent({
    configured: config.codex.binary ?? null,
    looperDirectory,
    path: environment['PATH'] ?? '',
    workspace,
  });
  // Codex leaves files in its folder at every call; and the person's settings are not in question.
  const within = { ...asking, environment: { ...asking.environment, CODEX_HOME: asking.cwd } };
  const version = await checkVersion(path, within);
  if (mode !== null) return [finding, version, mode];
  // An agent that cannot even say its version has no sandbox to try.
  if (version.level === 'error') return [finding, version];
  return [finding, version, ...(await probeSandbox(path, config.codex.sandbox, within))];
}

/** Leftovers and, since they decide on it, what the autopoll would do. */
async function examineRuns(
  patient: Patient,
  workspace: string | null,
): Promise<readonly Finding[]> {
  const { config, runs, health, autopoll } = patient;
  const { directory } = config.logs;
  const leftovers = await findLeftovers(runs.list({ limit: RECENT_RUNS }), {
    scope: config.kill.scope,
    workspace,
    isOwnRun: existsSync(directory) ? createRunIdLookup(directory) : () => false,
  });
  const isServiceUp = health.kind === 'answers';
  return [
    ...tellLeftovers(leftovers, { scope: config.kill.scope, isServiceUp }),
    ...(await guarded('autopoll.plan', async () => [
      autopoll === null ? await foretell(patient, workspace, leftovers) : told(autopoll),
    ])),
  ];
}

function told(autopoll: AutopollStatus | string): Finding {
  if (typeof autopoll !== 'string') return tellPlan(autopoll);
  return warning('service.token', autopoll, 'Give this shell the token of the service');
}

async function foretell(
  { config, runs }: Patient,
  workspace: string | null,
  { active, stale }: Leftovers,
): Promise<Finding> {
  return foretellPlan({
    config: config.autopoll,
    workspace,
    logDirectory: config.logs.directory,
    runs,
    activeRunId: active[0]?.run_id ?? null,
    liveAgentPids: stale.flatMap(({ pids }) => pids),
    hasWork: workspace !== null && (await hasWork(workspace, config)),
    now: Date.now(),
  });
}

function environmentWith(
  { config, environment }: Patient,
  envFileRest: Config['agentEnvironment'],
  secretNames: readonly string[],
): Readonly<Record<string, string>> {
  const { LOOPER_RUN_ID: _none, ...rest } = buildAgentEnvironment({
    daemonEnv: environment,
    envFileRest,
    secretNames,
    runId: '',
    url: `${config.client.baseUrl}/run`,
    ticket: null,
  });
  return rest;
}
