import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';
import { findBrowser } from '../../scripts/find-browser.mjs';
import { tempDir } from './temp-dir.ts';

const SCREENSHOTS = fileURLToPath(new URL('../tmp/screenshots', import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };

const executablePath = findBrowser();

/** Says loudly when there is none. */
export function hasBrowser(): boolean {
  if (executablePath !== null) return true;
  process.stderr.write('SKIPPING the tests of the dashboard: there is no browser. Set CHROME.\n');
  return false;
}

/** A browser of its own, with an empty profile, which ends with the test. It talks to loopback only. */
export async function openBrowser(
  options: {
    readonly viewport?: typeof DESKTOP;
    readonly colorScheme?: 'light' | 'dark';
  } = {},
): Promise<BrowserContext> {
  const { viewport = DESKTOP, colorScheme = 'light' } = options;
  const context = await chromium.launchPersistentContext(tempDir('looper-browser-'), {
    executablePath: executablePath ?? '',
    headless: true,
    viewport,
    colorScheme,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  onTestFinished(() => context.close());
  context.setDefaultTimeout(15_000);
  return context;
}

/** What went wrong in a page: exceptions, refused loads, violations of its policy. */
export function collectProblems(page: Page): string[] {
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  return problems;
}

/** Findings of axe-core that keep somebody from using the page. */
export async function seriousFindings(page: Page): Promise<string[]> {
  // Evaluated, not inserted: the page's policy allows no foreign script.
  await page.evaluate(AXE);
  const { violations } = (await page.evaluate('axe.run()')) as {
    violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[];
  };
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}

/** For people to look at; git ignores the folder. */
export async function takeScreenshot(page: Page, name: string, fullPage = true): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage });
}
