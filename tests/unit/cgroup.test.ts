import { describe, expect, test } from 'vitest';
import { parseCgroupMounts, parseOwnCgroup, pathBelow } from '../../src/processes/cgroup-place.ts';

test('the own cgroup is that of the unified hierarchy', () => {
  expect(parseOwnCgroup('0::/user.slice/user-1000.slice/app.scope\n')).toBe(
    '/user.slice/user-1000.slice/app.scope',
  );
  expect(parseOwnCgroup('9:name=systemd:/a\n4:memory:/b\n0::/\n')).toBe('/');
  expect(parseOwnCgroup('9:name=systemd:/a\n4:memory:/b\n')).toBeNull();
});

test('mounts of cgroup v2 are told from all others', () => {
  const mountinfo = [
    '24 30 0:22 / /sys rw,nosuid - sysfs sysfs rw',
    '32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu',
    '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 master:1 - cgroup2 cgroup2 rw',
    String.raw`42 31 0:38 /docker/x /mnt/with\040blank rw - cgroup2 none rw,nsdelegate`,
    '',
  ].join('\n');
  expect(parseCgroupMounts(mountinfo)).toEqual([
    { root: '/', mountPoint: '/sys/fs/cgroup/unified' },
    { root: '/docker/x', mountPoint: '/mnt/with blank' },
  ]);
});

describe('a cgroup below a mount', () => {
  test.each([
    ['/', '/', '/sys/fs/cgroup'],
    ['/', '/a/b', '/sys/fs/cgroup/a/b'],
    ['/docker/x', '/docker/x', '/sys/fs/cgroup'],
    ['/docker/x', '/docker/x/y', '/sys/fs/cgroup/y'],
    ['/docker/x', '/docker/xy', null],
    ['/docker/x', '/other', null],
    ['/', '/../outside', null],
    ['/..', '/', null],
  ])('root %s, cgroup %s: %s', (root, cgroup, path) => {
    expect(pathBelow(root, '/sys/fs/cgroup', cgroup)).toBe(path);
  });
});
