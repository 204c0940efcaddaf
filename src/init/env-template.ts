/** The env file of a new service: nothing is set, what most people want to set comes first. */
export const ENV_TEMPLATE = `# Settings of Looper, one NAME=value a line; a # begins a comment. Restart the service afterwards:
# a run goes on meanwhile. Names that are not Looper's own are passed on to the agent.

# Where the agent works. Without it nothing starts by itself, and each trigger names a directory.
#LOOPER_WORKSPACE=/path/to/your/repository

# Whoever reaches the service can start an agent. On a machine with other users, behind a proxy or
# on a network: openssl rand -hex 32. Keep this file to yourself: chmod 600.
#LOOPER_API_TOKEN=

# When nothing runs, work starts by itself. 0: only triggers start it.
#LOOPER_AUTO_START_WHEN_IDLE=1
#LOOPER_MAX_AUTO_RUNS_PER_DAY=48

# Which codex exec is stopped before a run starts: all of this user, workspace, or owned (Looper's own).
#LOOPER_KILL_SCOPE=all

# The agent, where it is not the codex on PATH; its model; its access to the network.
#CODEX_EXEC_BINARY=/path/to/codex
#LOOPER_CODEX_MODEL=
#LOOPER_CODEX_NETWORK=0

# Hooks, schedules and channels, and an address to ping at the start and the end of each run.
#LOOPER_CONFIG_FILE=~/.config/looper/looper.yaml
#LOOPER_HEALTHCHECK_URL=

# Names under which a proxy or a tailnet reaches it, separated by commas.
#LOOPER_ALLOWED_HOSTS=looper.example.org
`;
