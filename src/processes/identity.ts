/**
 * Which process is meant: a pid alone is reused by the kernel, a pid with the start time of its
 * process is not. `start_time` is opaque: on Linux `<boot id>:<clock ticks since boot>`, elsewhere
 * the start in seconds since the epoch.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly start_time: string;
}
