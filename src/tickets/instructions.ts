import { defaultTicketId } from './ticket.ts';

/** Who commits: `LOOPER_COMMIT`, or nobody where there is no repository. */
export type CommitPolicy = 'looper' | 'agent' | 'off' | 'no_repository';

/** Facts about a run that the agent has to know; paths relative to the workspace where they can be. */
export interface Surroundings {
  readonly runId: string;
  readonly workspace: string;
  readonly ticketsDirectory: string;
  readonly outbox: string;
  readonly sandbox: 'read-only' | 'workspace-write' | 'danger-full-access';
  readonly hasNetwork: boolean;
  readonly commit: CommitPolicy;
}

/** How to mark the ticket done. */
export function finishing(ticketPath: string): string {
  return `When the work of this ticket is finished and checked, set \`done: true\` in the front matter of ${ticketPath} as your last step. Only that ends the ticket. While something is missing, leave \`done: false\` and end your turn with a few lines on what is left: you will be asked to go on.`;
}

/** How to tell people something, or ask them. */
export function asking(outbox: string): string {
  return `Nobody reads along, and nobody answers in this conversation. To reach a person, write into ${outbox}/ (make the folder where it is missing): attachments first, then the text to \`MESSAGE.tmp\`, then rename that to \`MESSAGE.md\`:

    ---
    mode: pause
    title: One line that says what it is about
    ---
    The question, the choices, and what you would do.

\`mode: pause\` is a question: leave \`done: false\` and end your turn, the run waits for the answer, and the next prompt of this ticket carries it. \`mode: notify\` only tells, and you go on. Ask when a wrong guess would be costly; decide small things yourself.`;
}

/** How to write down work that belongs to another ticket. */
export function followUps(ticketsDirectory: string, nextNumber: number): string {
  const id = defaultTicketId(nextNumber);
  return `Work that is not part of this ticket goes into a ticket of its own: ${ticketsDirectory}/${id}-short-title.md (the next free number; they are done in the order of their numbers), starting with

    ---
    agent: codex
    done: false
    title: One line
    ---

Do not rename, renumber or delete tickets, and do not mark others done.`;
}

/** What the sandbox allows. */
export function limits({ sandbox, hasNetwork, commit }: Surroundings): string {
  if (sandbox === 'danger-full-access') {
    return 'There is no sandbox: your commands run with all rights of the person who started Looper. Stay inside the workspace, and stop only processes that you started.';
  }
  if (sandbox === 'read-only') {
    return 'You may read files and write none, not even the ticket: report what you found in your last message.';
  }
  const git =
    commit === 'agent'
      ? 'the git directory too'
      : 'not inside `.git`: a commit, a branch or a stash fails';
  const network = hasNetwork
    ? 'The network is open.'
    : 'There is no network, not even to this machine: downloads and servers fail; do not try to work around it.';
  return `You may write in the workspace and in the temporary directory (${git}). ${network}`;
}

/** Who commits. */
export function committing(commit: CommitPolicy): string {
  switch (commit) {
    case 'looper':
      return 'Do not commit. Looper commits what you changed when the ticket is done.';
    case 'agent':
      return 'Commit your work yourself before you end the turn in which the ticket is done, with a message that names the ticket. Leave what was already changed before you began out of it, and `.looper/` and `.codex-autorunner/` unless they are tracked.';
    case 'off':
      return 'Nobody checks for commits. Commit only where the ticket asks for it.';
    case 'no_repository':
      return 'The workspace is no git repository: there is nothing to commit.';
  }
  return commit satisfies never;
}
