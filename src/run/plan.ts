import { resolveBinary } from '../codex/binary.ts';
import type { Config } from '../config.ts';
import { readSmallFile } from '../config/small-file.ts';
import { LooperError } from '../errors.ts';
import { scratchFolder } from '../git/scratch.ts';
import { gitDirectoriesToOpen, resolveRepository, type Repository } from '../git/repository.ts';
import type { RunOrder, TurnPlan } from '../runner/order.ts';
import { readWorkFingerprint } from '../runner/progress.ts';
import { isInside } from '../paths.ts';
import type { RunStore } from '../runs/store.ts';
import type { AgentBinary, RunRequest } from './request.ts';
import { findTickets, prepareTickets, requireRunnable, type TicketWork } from './ticket-work.ts';
import { checkLogDirectory, resolveWorkspace } from './workspace.ts';

/** A trigger that has been checked: everything that can fail without stopping anybody has not. */
export type RunPlan =
  | {
      readonly mode: 'none';
      readonly workspace: string | null;
      readonly binary: AgentBinary | null;
      readonly warnings: readonly string[];
    }
  | {
      readonly mode: 'prompt' | 'tickets';
      readonly workspace: string;
      readonly binary: AgentBinary;
      readonly warnings: readonly string[];
      readonly prompt: string | null;
      readonly tickets: TicketWork | null;
      /** Begun while the announcement is on its way; null: nobody asks for it in this run. */
      readonly repository: Promise<Repository | null>;
    };

export type StartPlan = Extract<RunPlan, { mode: 'prompt' | 'tickets' }>;

/** The first turn, ready to be executed, and what the runner needs for all that follows. */
export interface PreparedRun {
  readonly prompt: string;
  readonly order: Omit<RunOrder, 'record' | 'base' | 'logDirectory' | 'requestId'>;
}

export interface Planner {
  /**
   * Where a trigger for this workspace would work (null: the configured one), symbolic links
   * resolved. Throws `WORKSPACE_INVALID`, also where there is none, and `FORBIDDEN`.
   */
  workspace(requested: string | null): string;
  /** Checks a trigger. Throws what the contract answers with 4xx or 503; touches nothing. */
  plan(request: RunRequest): Promise<RunPlan>;
  /** Once the way is clear: the first turn's prompt, and the state of the work before it. */
  prepare(request: RunRequest, plan: StartPlan, runId: string): Promise<PreparedRun>;
}

export interface PlannerDeps {
  readonly config: Config;
  readonly version: string;
  readonly looperDirectory: string;
  readonly home: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly agentEnvironment: (runId: string) => Record<string, string>;
  readonly store: RunStore;
}

export function createPlanner(deps: PlannerDeps): Planner {
  const { config } = deps;
  const scratch = scratchFolder(config.logs.directory);
  const protectedPlaces = {
    'the log directory': config.logs.directory,
    'Looper itself': deps.looperDirectory,
    'the env file': config.envFile,
    'the configuration file': config.configFile,
  };

  const findWorkspace = (requested: string | null): string | null =>
    resolveWorkspace(requested, config.workspace, { home: deps.home, protectedPlaces });

  const findBinary = (request: RunRequest, workspace: string | null): Promise<AgentBinary> =>
    resolveBinary({
      requested: request.binary,
      configured: config.codex.binary ?? null,
      looperDirectory: deps.looperDirectory,
      path: deps.environment['PATH'] ?? '',
      workspace,
    });

  const openRepository = (workspace: string, warnings: string[]): Promise<Repository | null> => {
    const resolving = resolveRepository(workspace, {
      env: deps.environment,
      scratch,
      warn: (sentence) => warnings.push(sentence),
    });
    // Awaited later, maybe never (the announcement failed): it must not crash the service.
    resolving.catch(() => undefined);
    return resolving;
  };

  return {
    workspace: (requested) => {
      const workspace = findWorkspace(requested);
      if (workspace === null) throw noWorkspace();
      return workspace;
    },

    plan: async (request) => {
      const workspace = findWorkspace(request.workspace);
      const warnings: string[] = [];
      if (request.prompt === '') {
        const binary = await findBinary(request, workspace).catch(() => null);
        return { mode: 'none', workspace, binary, warnings };
      }
      if (workspace === null) throw noWorkspace();
      checkLogDirectory(config.logs.directory);
      const work = await chooseWork(request, workspace, config);
      const isObserved = work.tickets !== null || request.trigger === 'autopoll';
      const needsRepository = isObserved || config.codex.commit === 'agent';
      return {
        ...work,
        mode: work.tickets === null ? 'prompt' : 'tickets',
        workspace,
        binary: await findBinary(request, workspace),
        repository: needsRepository ? openRepository(workspace, warnings) : Promise.resolve(null),
        warnings,
      };
    },

    prepare: async (request, plan, runId) => {
      // It was checked before the announcement, the stops and a delay of up to an hour.
      if (findWorkspace(plan.workspace) !== plan.workspace) throw replaced(plan.workspace);
      const repository = await plan.repository;
      const opened =
        config.codex.commit === 'agent' && repository !== null
          ? gitDirectoriesToOpen(repository)
          : [];
      const shared = {
        version: deps.version,
        environment: deps.agentEnvironment(runId),
        scratch,
        limits: {
          ...config.limits,
          runTimeoutMs: config.limits.runTimeoutMs ?? null,
          graceMs: config.kill.graceMs,
        },
        command: {
          binary: plan.binary.path,
          sandbox: config.codex.sandbox,
          network: config.codex.network,
          workspace: plan.workspace,
          model: request.model ?? config.codex.model ?? null,
          reasoning: request.reasoning,
          extraArgs: config.codex.args,
          addDirs: [...opened, ...ticketsOutside(plan)],
          runId,
        },
      };
      if (plan.tickets !== null) {
        const { prompt, firstTurn, loop } = await prepareTickets({
          work: plan.tickets,
          workspace: plan.workspace,
          runId,
          repository,
          scratch,
          config,
          store: deps.store,
        });
        return { prompt, order: { ...shared, firstTurn, loop, watchedWork: null } };
      }
      const before = {
        workspace: plan.workspace,
        repository,
        scratch,
        ticketsDirectory: null,
        ticketFile: null,
      };
      const fingerprint = request.trigger === 'autopoll' ? await readWorkFingerprint(before) : null;
      return {
        prompt: plan.prompt ?? '',
        order: {
          ...shared,
          firstTurn: PROMPT_TURN,
          loop: null,
          watchedWork: fingerprint === null ? null : { repository, fingerprint },
        },
      };
    },
  };
}

const PROMPT_TURN: TurnPlan = {
  ticket: null,
  model: null,
  reasoning: null,
  resumeThreadId: null,
  replies: [],
};

/** The sandbox would keep an agent from marking a ticket done that lies elsewhere. */
function ticketsOutside({ tickets, workspace }: StartPlan): string[] {
  return tickets === null || isInside(tickets.directory, workspace) ? [] : [tickets.directory];
}

type Work =
  | { readonly prompt: string; readonly tickets: null }
  | { readonly prompt: null; readonly tickets: TicketWork };

/** The request's prompt, else the first open ticket, else the default prompt. */
async function chooseWork(request: RunRequest, workspace: string, config: Config): Promise<Work> {
  if (request.prompt !== null) return { prompt: request.prompt, tickets: null };
  const tickets = await findTickets(workspace, config.tickets.directory);
  if (tickets !== null) {
    requireRunnable(tickets, workspace);
    return { prompt: null, tickets };
  }
  const prompt = readDefaultPrompt(config.prompt);
  if (prompt !== null) return { prompt, tickets: null };
  throw new LooperError(
    'NOTHING_TO_RUN',
    `There is nothing to run in ${workspace}: no open ticket in .looper/tickets, no codex_prompt, no LOOPER_PROMPT. Write a ticket or send a prompt.`,
  );
}

function readDefaultPrompt({ text, file }: Config['prompt']): string | null {
  if (text !== undefined) return text;
  if (file === undefined) return null;
  const found = readSmallFile(file);
  if (found.kind === 'read' && found.text.trim() !== '') return found.text;
  const problems = { missing: 'does not exist', read: 'is blank' };
  const why = found.kind === 'unusable' ? found.why : problems[found.kind];
  throw new LooperError(
    'NOTHING_TO_RUN',
    `LOOPER_PROMPT_FILE ${file} ${why}. Write a prompt there, or unset the variable.`,
  );
}

function replaced(workspace: string): LooperError {
  return new LooperError(
    'WORKSPACE_INVALID',
    `workspace ${workspace} was replaced by a link while its run was being started, so nothing was started there.`,
  );
}

function noWorkspace(): LooperError {
  return new LooperError(
    'WORKSPACE_INVALID',
    "There is no workspace: send one in 'workspace', or set LOOPER_WORKSPACE.",
  );
}
