import { existsSync } from 'node:fs';
import type { Config } from '../config.ts';
import { readVariables } from '../processes/proc.ts';
import { readIfThere } from '../read-if-there.ts';
import { askHolder } from '../runs/lock.ts';
import type { AskOptions } from './ask.ts';
import type { Finding } from './finding.ts';
import {
  differingSettings,
  holderPid,
  judgeInit,
  judgeService,
  judgeSettings,
  type Health,
} from './service.ts';
import { checkUnit, parseUnit } from './systemd.ts';

export interface RunningSubject {
  readonly config: Config;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly health: Health;
  readonly isLocal: boolean;
}

/** The service beside us, if any: by its address, the lock of the log directory, and its process. */
export async function checkRunning(
  { config, environment, version, health, isLocal }: RunningSubject,
  options: Omit<AskOptions, 'deadlineMs'>,
): Promise<Finding[]> {
  const { directory } = config.logs;
  const holder = existsSync(directory) ? await askHolder(directory, 'daemon') : null;
  const url = config.client.baseUrl;
  const findings = judgeService({ url, isLocal, health, holder, logDirectory: directory, version });
  const pid = holderPid(holder);
  findings.push(...judgeInit(pid ?? (process.pid === 1 ? 1 : null)));
  if (pid === null || process.platform !== 'linux') return findings;

  const variables = readVariables(pid);
  if (variables !== null)
    findings.push(...judgeSettings(differingSettings(variables, environment)));
  const unit = parseUnit(readCgroup(pid));
  if (unit !== null) {
    const isDetaching = (variables?.['LOOPER_ON_SHUTDOWN'] ?? config.runs.onShutdown) === 'detach';
    findings.push(await checkUnit(unit, isDetaching ? 'detach' : 'stop', options));
  }
  return findings;
}

/** `''` where the process is gone or hidden. */
function readCgroup(pid: number): string {
  try {
    return readIfThere(`/proc/${pid}/cgroup`) ?? '';
  } catch {
    return '';
  }
}
