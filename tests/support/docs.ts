import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds README.md and docs/. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Page {
  /** Relative to `root`, e.g. `docs/triggers.md`. */
  readonly name: string;
  readonly text: string;
  readonly blocks: readonly Block[];
}

/** A fenced block. */
export interface Block {
  /** `docs/triggers.md:57`, for messages. */
  readonly where: string;
  /** The first word behind the fence, `''` where there is none. */
  readonly language: string;
  /** ` test` stands behind the language: it is executed, or looked at more closely. */
  readonly isTest: boolean;
  readonly text: string;
}

/** Every page for people: those at the top, then those in docs/. */
export function readPages(): Page[] {
  const markdownIn = (folder: string): string[] =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .sort()
      .map((name) => join(folder, name));
  return [...markdownIn('.'), ...markdownIn('docs')].map((name) => {
    const text = readFileSync(join(root, name), 'utf8');
    return { name, text, blocks: blocksOf(name, text) };
  });
}

const FENCE = /^( *)(`{3,})([^\n`]*)\n([\s\S]*?)^\1\2 *$/gm;

function blocksOf(page: string, text: string): Block[] {
  return [...text.matchAll(FENCE)].map((match) => {
    const [, indent = '', , info = '', body = ''] = match;
    const [language = '', ...rest] = info.trim().split(/\s+/);
    return {
      where: `${page}:${text.slice(0, match.index).split('\n').length}`,
      language,
      isTest: rest.includes('test'),
      text: indent === '' ? body : body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    };
  });
}

/** What stands in fences or between backticks: names of commands, variables, routes. */
export function codeOf(page: Page): string[] {
  const spans = withoutBlocks(page).matchAll(/`([^`]+)`/g);
  return [...page.blocks.map(({ text }) => text), ...[...spans].map(([, code = '']) => code)];
}

/** Relative links that lead nowhere, each with what is missing. */
export function brokenLinks(page: Page): string[] {
  const prose = withoutBlocks(page).replaceAll(/`[^`]*`/g, '');
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets
    .filter((target) => !/^(?:https?|mailto):/.test(target))
    .filter((target) => {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page.name : join(dirname(page.name), path);
      if (!existsSync(join(root, file))) return true;
      if (anchor === undefined) return false;
      return !anchorsOf(readFileSync(join(root, file), 'utf8')).has(anchor);
    });
}

/** The anchors that GitHub gives to headings: the second of the same name gets `-1`. */
export function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of text.replaceAll(FENCE, '').matchAll(/^#{1,6} +(.+)$/gm)) {
    const name = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-');
    let anchor = name;
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${name}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The first column of the table below a heading, a row a string, without the head. */
export function firstColumn({ name, text }: Page, heading: string): string[] {
  const [, section] = text.split(new RegExp(`^#+ ${heading}$`, 'm'));
  if (section === undefined) throw new Error(`${name} has no heading "${heading}"`);
  const rows = /(?:^\|.*\n)+/m.exec(section)?.[0].trim().split('\n') ?? [];
  return rows.slice(2).map((row) => row.split('|')[1]?.trim() ?? '');
}

function withoutBlocks({ text }: Page): string {
  return text.replaceAll(FENCE, '');
}
