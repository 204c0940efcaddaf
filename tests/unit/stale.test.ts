import { describe, expect, it } from 'vitest';
import { selectStale, type StaleQuery } from '../../src/processes/stale.ts';
import type { ProcessInfo, ProcessTable } from '../../src/processes/table.ts';

const UID = 1000;
const SELF = process.pid;
const EXEC = ['codex', '--ask-for-approval', 'never', 'exec'];

interface Row {
  readonly pid: number;
  readonly ppid?: number;
  readonly argv?: readonly string[];
  readonly uid?: number;
  readonly isDead?: boolean;
  readonly runId?: string | null;
  readonly cwd?: string;
}

const isOwnRun = (runId: string): boolean => runId.startsWith('own');
const identityOf = (pid: number) => ({ pid, start_time: `boot:${pid}` });

/** Pids above a million, so that none is by chance one of the test's own ancestors. */
function select(rows: readonly Row[], query: Partial<StaleQuery> = {}) {
  const table: ProcessTable = new Map(
    rows.map(
      ({
        pid,
        ppid = 1,
        argv = [],
        uid = UID,
        isDead = false,
        runId = null,
      }): [number, ProcessInfo] => [
        pid,
        {
          identity: identityOf(pid),
          ppid,
          pgid: pid,
          sid: pid,
          uid,
          isDead,
          argv,
          environment: { runId, threadId: null, isEmpty: false },
        },
      ],
    ),
  );
  return selectStale(
    table,
    { scope: 'all', workspace: null, isOwnRun, uid: UID, ...query },
    (pid) => rows.find((row) => row.pid === pid)?.cwd ?? null,
  );
}

const pids = (...args: Parameters<typeof select>) => select(...args).flatMap((agent) => agent.pids);

describe('selectStale', () => {
  const launcher = { pid: 1_000_001, argv: ['node', '/bin/codex', 'exec'], cwd: '/ws' };
  const native = { pid: 1_000_002, ppid: launcher.pid, argv: ['/opt/codex', 'exec'], cwd: '/ws' };

  it('reports launcher and native binary as one agent', () => {
    expect(select([native, launcher])).toEqual([
      {
        pids: [launcher.pid],
        members: [identityOf(launcher.pid), identityOf(native.pid)],
        runId: null,
      },
    ]);
  });

  it('reports the native binary alone when its launcher was killed', () => {
    expect(pids([{ ...native, ppid: 1 }])).toEqual([native.pid]);
  });

  it('leaves alone the dead, other users, ancestors of ours and interactive sessions', () => {
    const rows: Row[] = [
      { pid: 1_000_010, argv: EXEC, isDead: true },
      { pid: 1_000_011, argv: EXEC, uid: 0 },
      { pid: 1_000_012, argv: EXEC },
      { pid: 1_000_013, ppid: 1_000_012, argv: ['bash'] },
      { pid: SELF, ppid: 1_000_013, argv: EXEC },
      { pid: 1_000_014, argv: ['codex', 'exec the plan'] },
    ];
    expect(select(rows)).toEqual([]);
  });

  it('spares what is excluded and everything below it', () => {
    const runner = { pid: 1_000_020, argv: ['node', 'runner.js'] };
    const rows = [runner, { ...launcher, ppid: runner.pid }, native];
    expect(select(rows, { exclude: [identityOf(runner.pid)] })).toEqual([]);
    const reusedPid = { pid: runner.pid, start_time: 'boot:1' };
    expect(pids(rows, { exclude: [reusedPid] })).toEqual([launcher.pid]);
  });

  it('takes only what is marked as ours in scope owned, leftovers too', () => {
    const rows: Row[] = [
      launcher,
      { pid: 1_000_030, argv: EXEC, runId: 'own1' },
      { pid: 1_000_031, ppid: 1_000_030, argv: ['sleep'], runId: 'own1' },
      { pid: 1_000_032, argv: ['sleep'], runId: 'own2' },
      { pid: 1_000_033, argv: ['sleep'], runId: 'foreign' },
      { pid: 1_000_034, argv: EXEC, runId: 'foreign' },
    ];
    expect(select(rows, { scope: 'owned' })).toEqual([
      { pids: [1_000_030], members: [identityOf(1_000_030)], runId: 'own1' },
      { pids: [], members: [identityOf(1_000_032)], runId: 'own2' },
    ]);
  });

  it('adds in scope workspace what works in it or below it', () => {
    const rows: Row[] = [
      { pid: 1_000_040, argv: [...EXEC, '-C', '/ws/sub'] },
      { pid: 1_000_041, argv: EXEC, cwd: '/ws' },
      { pid: 1_000_042, argv: [...EXEC, '-C', '../ws'], cwd: '/other' },
      { pid: 1_000_043, argv: [...EXEC, '--cd=/ws-evil'], cwd: '/ws' },
      { pid: 1_000_044, argv: [...EXEC, '-C', '/'], cwd: '/ws' },
      { pid: 1_000_045, argv: EXEC },
      { pid: 1_000_046, argv: EXEC, cwd: '/', runId: 'own1' },
      { pid: 1_000_047, argv: [...EXEC, '-C', '/ws/../..ws'] },
    ];
    const query = { scope: 'workspace', workspace: '/ws' } as const;
    expect(pids(rows, query)).toEqual([1_000_040, 1_000_041, 1_000_042, 1_000_046]);
    expect(pids(rows, { ...query, workspace: null })).toEqual([1_000_046]);
  });
});
