'use strict';
/**
 * Preloaded (NODE_OPTIONS) into the Node processes of a campaign; Looper itself knows nothing of it.
 * In a daemon and in a runner it makes a crash point of every synchronous write, spawn, signal,
 * lock and message: the process is killed before, after or in the middle of the one that
 * `plan.json` names. Without a plan it only notes which points there are. In every other process
 * (the agent, git) it does nothing.
 *
 * plan.json   {id, role, point, occurrence, when: "before" | "after" | "during", delayUs}
 * points.log  one line per crossing: "<pid> <role> <point>"
 * kills.log   one JSON line, written directly before the kill
 * fired-<id>  created exclusively, so that one plan kills one process
 */
const childProcess = require('node:child_process');
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');
const net = require('node:net');
const { basename, join } = require('node:path');
const { isMainThread, Worker } = require('node:worker_threads');

const directory = process.env.CHAOS_DIR;
const role = roleOf(process.argv);
if (isMainThread && directory !== undefined && role !== null) install();

function roleOf([, script = '', word]) {
  if (script.endsWith('/dist/runner.js')) return 'runner';
  return script.endsWith('/dist/cli.js') && word === 'serve' ? 'daemon' : null;
}

function install() {
  const { openSync, writeSync, readFileSync, closeSync } = fs;
  const kill = process.kill.bind(process);
  const pointsFd = openSync(join(directory, 'points.log'), 'a');
  const paths = new Map();
  let armed = { id: 0, seen: 0 };
  let isInside = false;

  /** Runs `perform` as a crash point of that name; what it calls in turn is part of it. */
  function cross(point, perform) {
    if (isInside) return perform();
    isInside = true;
    try {
      writeSync(pointsFd, `${process.pid} ${role} ${point}\n`);
      const plan = duePlan(point);
      if (plan?.when === 'before') die(plan, point);
      if (plan?.when === 'during') dieSoon(plan, point);
      const result = perform();
      if (plan?.when === 'after') die(plan, point);
      return result;
    } finally {
      isInside = false;
    }
  }

  function duePlan(point) {
    const plan = readPlan();
    if (plan === null || plan.role !== role || plan.point !== point) return null;
    if (armed.id !== plan.id) armed = { id: plan.id, seen: 0 };
    armed.seen += 1;
    return armed.seen === plan.occurrence ? plan : null;
  }

  function readPlan() {
    try {
      return JSON.parse(readFileSync(join(directory, 'plan.json'), 'utf8'));
    } catch {
      return null;
    }
  }

  function claim(plan, point) {
    try {
      closeSync(openSync(join(directory, `fired-${plan.id}`), 'wx'));
    } catch {
      return false;
    }
    const { pid } = process;
    const start = readFileSync('/proc/self/stat', 'latin1').split(') ')[1].split(' ')[19];
    const line = { role, pid, start, at: Date.now(), point, when: plan.when };
    const fd = openSync(join(directory, 'kills.log'), 'a');
    writeSync(fd, `${JSON.stringify(line)}\n`);
    closeSync(fd);
    return true;
  }

  function die(plan, point) {
    if (claim(plan, point)) kill(process.pid, 'SIGKILL');
  }

  /** From another thread, while this one is inside the call: a spawn between fork and exec, say. */
  function dieSoon(plan, point) {
    if (!claim(plan, point)) return;
    const flags = new Int32Array(new SharedArrayBuffer(8));
    const source = `
      const { workerData: { flags, delayUs } } = require('node:worker_threads');
      Atomics.store(flags, 0, 1);
      Atomics.notify(flags, 0);
      while (Atomics.load(flags, 1) === 0);
      const end = performance.now() + delayUs / 1000;
      while (performance.now() < end);
      process.kill(process.pid, 'SIGKILL');`;
    const killer = new Worker(source, {
      eval: true,
      workerData: { flags, delayUs: plan.delayUs },
    });
    killer.unref();
    Atomics.wait(flags, 0, 0, 5_000);
    Atomics.store(flags, 1, 1);
  }

  /** Replaces a function of a module by one that crosses a point where `pointOf` names one. */
  function wrap(owner, name, pointOf) {
    const original = owner[name];
    owner[name] = function crossing(...args) {
      const point = pointOf.call(this, args);
      if (point === null) return original.apply(this, args);
      return cross(point, () => original.apply(this, args));
    };
  }

  const byPath = (op) => (args) => `${op} ${nameOf(args[0])}`;
  const byDescriptor = (op) => (args) => `${op} ${paths.get(args[0]) ?? 'another file'}`;

  const open = fs.openSync;
  fs.openSync = function openSyncCrossing(...args) {
    const name = nameOf(args[0]);
    const fd = isForWriting(args[1])
      ? cross(`open ${name}`, () => open.apply(fs, args))
      : open.apply(fs, args);
    paths.set(fd, name);
    return fd;
  };
  for (const op of ['writeSync', 'fsyncSync']) wrap(fs, op, byDescriptor(op.replace('Sync', '')));
  for (const op of ['writeFileSync', 'appendFileSync', 'rmSync', 'mkdirSync']) {
    wrap(fs, op, byPath(op.replace('Sync', '')));
  }
  wrap(fs, 'renameSync', ([, to]) => `rename ${nameOf(to)}`);
  wrap(
    childProcess,
    'spawn',
    ([file]) => `spawn ${file === process.execPath ? 'runner' : basename(file)}`,
  );
  wrap(process, 'kill', ([, signal]) => (signal === 0 ? null : `kill ${signal}`));
  wrap(net.Server.prototype, 'listen', ([options]) => {
    const path = typeof options?.path === 'string' ? options.path : '';
    return path.startsWith('\0') ? `lock ${path.split('-')[1]}` : 'listen http';
  });
  wrap(net.Socket.prototype, 'write', function point() {
    if (this.server) return 'send answer';
    return this._httpMessage ? 'send announcement' : 'send message';
  });
  syncBuiltinESMExports();
}

function isForWriting(flags = 'r') {
  return typeof flags === 'string' ? /[wa+]/.test(flags) : (flags & 3) !== fs.constants.O_RDONLY;
}

/** A file's name without what differs from run to run. */
function nameOf(path) {
  return basename(String(path))
    .replace(/^codex-exec-\d{8}-\d{6}-(auto)?[0-9a-f]{8}/, 'run')
    .replace(/\.\d+\.tmp$/, '.tmp')
    .replace(/^looper-(auto)?[0-9a-f]{8}$/, 'cgroup')
    .replace(/\.turn\d+\./, '.turn.')
    .replace(/^looper-server\.\d+\.log$/, 'server.log')
    .replace(/^[0-9a-f]{16}\.json/, 'carry.json')
    .replace(/^TICKET-\d+/, 'TICKET')
    .replace(/^(auto)?[0-9a-f]{8}(?=\.|$)/, 'id');
}
