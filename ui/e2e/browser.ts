// Debian's Chromium, and pages that notice what must not happen in them.
import { chromium, type Browser, type Page } from 'playwright-core';
import { axeSource } from './weir';

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    chromiumSandbox: process.getuid?.() !== 0,
  });
}

export interface Watched {
  page: Page;
  /** Errors, refused scripts, requests to others: of a good page there are none. */
  complaints: string[];
}

export async function open(
  browser: Browser,
  url: string,
  options: { width?: number; height?: number; theme?: 'light' | 'dark' } = {},
): Promise<Watched> {
  const page = await browser.newPage({
    viewport: { width: options.width ?? 1440, height: options.height ?? 900 },
    colorScheme: options.theme ?? 'light',
  });
  const complaints: string[] = [];
  const own = new URL(url).origin;
  page.on('console', message => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', error => complaints.push(String(error)));
  page.on('dialog', dialog => {
    complaints.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', request => {
    if (new URL(request.url()).origin !== own) complaints.push(`a request to ${request.url()}`);
  });
  await page.goto(url);
  return { page, complaints };
}

/** What axe finds wrong with the page as it is now. */
export async function axe(page: Page): Promise<string[]> {
  await page.evaluate(axeSource());
  return page.evaluate(async () => {
    interface Violation {
      id: string;
      nodes: { target: unknown[]; failureSummary?: string }[];
    }
    const { axe } = window as unknown as { axe: { run: () => Promise<{ violations: Violation[] }> } };
    const { violations } = await axe.run();
    return violations.flatMap(({ id, nodes }) =>
      nodes.slice(0, 3).map(node => `${id}: ${String(node.target[0])}: ${node.failureSummary ?? ''}`),
    );
  });
}

export function number(text: string | null): number {
  return Number((text ?? '').replaceAll(',', '').replace(/[^\d.].*$/s, ''));
}
