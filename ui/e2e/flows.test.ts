// Flows that are unlike the main job: hostile, broken, large.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { axe, launch, open } from './browser';
import { until, weir } from './weir';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(async () => browser?.close());

const ATTACK = '<img src=x onerror=alert(1)>';

it('what a flow file says is text, whatever it looks like', async () => {
  const site = await weir(`
flow: hostile
description: "${ATTACK}"
processors:
  make:
    type: GenerateFlowFile
    description: "<script>alert(1)</script>"
    labels: {"${ATTACK}": "${ATTACK}"}
    content: "${ATTACK}"
    attributes: {"a": "javascript:alert(1)"}
    rate: 10/s
    to: end
  end: {type: Discard}
`);
  try {
    const { page, complaints } = await open(browser, `${site.url}/#/flow/hostile/processor/make`);
    await page.getByText('<script>alert(1)</script>').waitFor();
    await page.locator('.panel .settings', { hasText: ATTACK }).first().waitFor();
    expect(await page.locator('img').count()).toBe(0);
    expect(complaints).toEqual([]);
    await page.close();
  } finally {
    await site.stop();
  }
});

it('a processor that waits for its far side is what is seen first', async () => {
  const site = await weir(`
flow: broken
processors:
  readings: {type: MqttSource, url: "mqtt://127.0.0.1:9", topic: a, to: end}
  end: {type: Discard}
`);
  try {
    const { page } = await open(browser, site.url);
    await page.locator('.concerns .error', { hasText: 'readings' }).waitFor({ timeout: 60_000 });
    await page.locator('.node.bad[data-processor="readings"]').waitFor();
    expect(await axe(page)).toEqual([]);
    await page.close();
  } finally {
    await site.stop();
  }
});

it('a lost connection is said, with the age of what is seen, and mends by itself', async () => {
  const flow = `
flow: small
processors:
  make: {type: GenerateFlowFile, rate: 10/s, to: end}
  end: {type: Discard}
`;
  const first = await weir(flow);
  const { page } = await open(browser, first.url);
  await page.locator('.pulse.live').waitFor();
  await first.stop();
  await page.locator('.banner', { hasText: 'does not answer' }).waitFor({ timeout: 60_000 });
  expect(await page.locator('.banner').textContent()).toMatch(/now|ago/);
  expect(await axe(page)).toEqual([]);
  const second = await weir(
    flow.replace('end:', 'more: {type: Discard}\n  end:').replace('to: end', 'to: [end, more]'),
    new URL(first.url).host,
  );
  try {
    await page.locator('.pulse.live').waitFor({ timeout: 60_000 });
    await page.locator('[data-processor="more"]').waitFor();
    expect(await page.locator('.banner').count()).toBe(0);
    await page.close();
  } finally {
    await second.stop();
  }
});

it('who has no token is asked for one; a viewer may look, and change nothing', async () => {
  const site = await weir(`
flow: guarded
processors:
  make: {type: GenerateFlowFile, rate: 10/s, to: end}
  end: {type: Discard}
`);
  try {
    const tokens = { viewer: site.token('vera', 'viewer'), operator: site.token('otto', 'operator') };
    await until(async () => (await fetch(`${site.url}/api/v1/status`)).status === 401, 60); // it has noticed
    const { page } = await open(browser, `${site.url}/#/flow/guarded/processor/make`);
    await page.getByText('Who is there?').waitFor({ timeout: 60_000 });
    expect(await axe(page)).toEqual([]);
    await page.getByLabel('Token').fill('weir_wrong');
    await page.getByRole('button', { name: 'Sign on' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Token').fill(tokens.viewer);
    await page.getByRole('button', { name: 'Sign on' }).click();
    await page.locator('.panel h2', { hasText: 'make' }).waitFor();
    expect(await page.getByRole('button', { name: 'Stop', exact: true }).count()).toBe(0);
    await page.getByRole('button', { name: 'vera' }).click();
    await page.getByLabel('Token').fill(tokens.operator);
    await page.getByRole('button', { name: 'Sign on' }).click();
    await page.getByRole('button', { name: 'Stop', exact: true }).waitFor();
    expect(await axe(page)).toEqual([]);
    expect(await page.evaluate(() => document.cookie)).toBe(''); // no script can read it
    await page.close();
  } finally {
    await site.stop();
  }
});

it('a processor that does not come to an end is terminated, once that was confirmed', async () => {
  const site = await weir(`
flow: stuck
processors:
  make: {type: GenerateFlowFile, rate: 20/s, content: x, to: hang}
  hang: {type: Hang, file: stuck, in: step, to: end}
  end: {type: Discard}
`);
  const file = join(site.folder, 'stuck');
  try {
    const { page } = await open(browser, `${site.url}/#/flow/stuck/processor/hang`);
    writeFileSync(file, '');
    await page.getByText('hangs in step').first().waitFor({ timeout: 60_000 });
    const terminate = page.getByRole('button', { name: 'Terminate…' });
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await page.locator('.panel .chip', { hasText: 'stopping' }).waitFor();
    expect(await terminate.count()).toBe(0); // it may still end by itself
    await terminate.click({ timeout: 60_000 });
    expect(await axe(page)).toEqual([]);
    await page.getByRole('button', { name: 'Wait for it' }).click();
    await page.locator('.panel .chip', { hasText: 'stopping' }).waitFor();
    await terminate.click();
    await page.getByRole('dialog').getByRole('button', { name: 'Terminate' }).click();
    await page.locator('.panel .chip', { hasText: 'stopped' }).waitFor();
    await page.getByText('1 thread of what was terminated has not come back yet.').waitFor();
    rmSync(file);
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await page.locator('.panel .chip', { hasText: 'running' }).waitFor({ timeout: 60_000 });
    await page.getByText('has not come back yet').waitFor({ state: 'detached', timeout: 60_000 });
    await page.close();
  } finally {
    await site.stop();
  }
});

it('what passes, what a processor remembers, what failed, and who did what about it', async () => {
  const site = await weir(`
flow: desk
defaults: {failure: dead}
processors:
  make: {type: GenerateFlowFile, rate: 20/s, content: '{"n": $(seq)}', to: pick}
  bad: {type: GenerateFlowFile, count: 3, content: 'no record <b>x</b>', to: pick}
  pick: {type: Filter, where: "n % 2 = 0", to: {matched: end}, drop: unmatched}
  end: {type: Discard}
  dead: {type: Discard, enabled: false}
`);
  try {
    const { page, complaints } = await open(browser, `${site.url}/#/flow/desk/connection/make/success/pick`);
    const go = (hash: string) => page.evaluate(to => (location.hash = to), hash);
    await page.getByRole('button', { name: 'Watch' }).click();
    const passing = page.getByLabel('Sample of what passes');
    await passing.locator('li').nth(1).waitFor({ timeout: 60_000 });
    await passing.getByRole('button').first().click();
    await passing.locator('.opened pre', { hasText: '"n"' }).waitFor();
    expect(await axe(page)).toEqual([]);
    await page.getByRole('button', { name: 'Stop watching' }).click();
    expect(await passing.locator('.opened').count()).toBe(1);

    await go('#/flow/desk/processor/make');
    await page.getByRole('button', { name: /show its entr/ }).click();
    await page.locator('.state-entries dd').first().waitFor({ timeout: 60_000 });
    expect(await page.getByRole('button', { name: 'Clear…' }).isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await page.locator('.panel .chip', { hasText: 'stopped' }).waitFor({ timeout: 60_000 });
    await page.getByRole('button', { name: 'Clear…' }).click();
    expect(await axe(page)).toEqual([]);
    await page.getByRole('dialog').getByRole('button', { name: 'Clear' }).click();
    await page.getByRole('status').filter({ hasText: 'cleared' }).waitFor({ timeout: 60_000 });

    await go('#/');
    await page.locator('.strip', { hasText: 'Dead letters' }).getByRole('link', { name: '3' }).click();
    await page.getByRole('heading', { name: 'From pick' }).waitFor();
    await page.locator('.flowfiles .reason').nth(2).waitFor();
    await page.locator('.flowfiles .row').first().click();
    await page.locator('.opened pre', { hasText: '<b>x</b>' }).waitFor();
    expect(await axe(page)).toEqual([]);
    await page.getByRole('button', { name: 'Send back' }).click();
    await page.getByRole('status').filter({ hasText: '3 FlowFiles sent back' }).waitFor({ timeout: 60_000 });

    // A day is long: what its history would be.
    const minutes = Array.from({ length: 60 }, (_, minute) => minute);
    const none = minutes.map(() => 0);
    await page.route('**/api/v1/history?*', route =>
      route.fulfill({
        json: {
          times: minutes.map(minute => new Date(Date.now() - (60 - minute) * 60_000).toISOString()),
          processors: {
            'desk/make': { in_records: none, out_records: minutes.map(m => 60 * m), errors: none, busy_seconds: none },
            'desk/pick': { in_records: none, out_records: none, errors: minutes, busy_seconds: none },
          },
          connections: {},
        },
      }),
    );
    await page.route('**/api/v1/bulletins?earlier=true*', route =>
      route.fulfill({
        json: [
          {
            id: 7,
            time: '2026-01-31T12:00:00Z',
            level: 'error',
            flow: 'desk',
            processor: 'end',
            message: `lost ${ATTACK}`,
          },
        ],
      }),
    );
    await go('#/bulletins');
    await page.getByRole('heading', { name: 'Before the last start' }).waitFor();
    await page.locator('.bulletin', { hasText: `lost ${ATTACK}` }).waitFor();
    await page.getByRole('img', { name: 'Records a second of desk over the last day' }).locator('canvas').waitFor();
    await page.getByRole('img', { name: 'Errors of desk over the last day' }).waitFor();
    expect(await axe(page)).toEqual([]);
    await page.getByRole('link', { name: 'Who changed what' }).click();
    const log = page.getByLabel('Audit log');
    const broken = await browser.newPage();
    await broken.route('**/assets/audit-*.js', route => route.abort());
    await broken.goto(`${site.url}/#/audit`);
    await broken.getByText('could not be loaded').waitFor();
    expect(await axe(broken)).toEqual([]);
    await broken.unroute('**/assets/audit-*.js');
    await broken.getByRole('button', { name: 'Load the page again' }).click();
    await broken.getByRole('heading', { name: 'Who changed what' }).waitFor();
    await broken.close();
    for (const action of ['redrive', 'state/clear', 'stop'])
      await log.locator('tr', { hasText: action }).filter({ hasText: 'done' }).waitFor();
    expect(await axe(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  } finally {
    await site.stop();
  }
});

const BROKEN = `
flow: broken
defaults: {failure: dead}
processors:
  readings: {type: MqttSource, url: "mqtt://127.0.0.1:9", topic: "${ATTACK}", to: pick}
  make: {type: GenerateFlowFile, rate: 50/s, content: 'no record ${ATTACK}', attributes: {topic: "${ATTACK}"}, to: pick}
  pick: {type: Filter, where: "n > 1", to: {matched: far}, drop: unmatched}
  far: {type: HttpSink, url: "http://127.0.0.1:9/x", to: {failure: dead}}
  dead: {type: Discard, enabled: false}
`;
const EMPTY = `
flow: empty
processors:
  in: {type: FileSource, path: "nothing/*.json", to: check, drop: failure}
  check: {type: QualityCheck, key: id, rules: {n: {range: [0, 1]}}, to: {pass: keep, suspect: keep}, drop: [fail, failure]}
  keep: {type: FileSink, path: keep.ndjson, drop: failure}
`;

it('of a broken flow and an empty one every page is accessible and fits, in both themes, on a desk and on a phone', async () => {
  const site = await weir([BROKEN, EMPTY]);
  const flowfile = encodeURIComponent('broken/pick/failure/dead:0');
  const pages = [
    ...['broken', 'empty'].flatMap(flow => [`#/flow/${flow}`, `#/flow/${flow}/dead-letters`, `#/flow/${flow}/edit`]),
    '#/flow/broken/processor/readings',
    '#/flow/broken/connection/pick/failure/dead',
    '#/flow/empty/processor/in',
    '#/flow/empty/connection/in/success/check',
    ...['#/bulletins', '#/bulletins?flow=empty', '#/audit', '#/provenance', '#/quality', '#/data'],
    ...['#/data/empty/keep', '#/data/broken/far', '#/data/empty/none', `#/lineage/${flowfile}`, '#/lineage/none'],
    ...['#/flow/none', '#/flow/empty/processor/none', '#/nowhere'],
  ];
  try {
    for (const [theme, width] of [
      ['light', 1440],
      ['dark', 390],
    ] as const) {
      const { page, complaints } = await open(browser, site.url, { theme, width });
      await page.locator('.pulse.live').waitFor();
      for (const hash of pages) {
        await page.evaluate(to => (location.hash = to), hash);
        const head = hash.includes('/processor/') || hash.includes('/connection/') ? '.panel' : 'main';
        await page.locator(`${head} :is(h1, h2, .node)`).first().waitFor();
        await page.getByText('Reading…').waitFor({ state: 'hidden' });
        expect(await axe(page), `${theme} ${width} ${hash}`).toEqual([]);
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(wider, `${width} ${hash} is wider than the screen`).toBeLessThanOrEqual(0);
      }
      // That something is not there is an answer of 400 or 404, which the browser reports by itself.
      expect(complaints.filter(text => !/ 40[04] /.test(text))).toEqual([]);
      await page.close();
    }
  } finally {
    await site.stop();
  }
});

it('bulletins are shown of all flows, with whose they are, or of one', async () => {
  const site = await weir([BROKEN, EMPTY]);
  try {
    const { page } = await open(browser, `${site.url}/#/bulletins`);
    const bulletins = page.locator('.bulletin');
    await bulletins.filter({ hasText: 'broken/readings' }).first().waitFor({ timeout: 60_000 });
    await bulletins.filter({ hasText: 'empty/in' }).first().waitFor();
    await page.locator('main').getByLabel('Flow').selectOption('empty');
    await bulletins.filter({ hasText: 'no file matches' }).first().waitFor();
    await bulletins.filter({ hasText: '127.0.0.1:9' }).first().waitFor({ state: 'detached' });
    expect(page.url()).toContain('#/bulletins?flow=empty');
    await page.reload();
    await bulletins.filter({ hasText: 'no file matches' }).first().waitFor();
    expect(await bulletins.filter({ hasText: '127.0.0.1:9' }).count()).toBe(0);
    await page.close();
  } finally {
    await site.stop();
  }
});

it('a page that was opened in a tab behind is there when somebody looks at it', async () => {
  const site = await weir(EMPTY);
  try {
    const page = await browser.newPage();
    await page.addInitScript(() => {
      const tab = window as unknown as { looked?: boolean };
      Object.defineProperty(document, 'hidden', { get: () => tab.looked !== true });
    });
    await page.goto(`${site.url}/#/audit`);
    await page.getByText('Reading…').waitFor();
    await page.evaluate(() => {
      (window as unknown as { looked: boolean }).looked = true;
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await page.getByText('Nobody has changed anything').waitFor();
    await page.close();
  } finally {
    await site.stop();
  }
});

/** A tree of processors, each with a queue and a path for its failures. */
function large(processors: number): string {
  const lines = [
    'flow: large',
    'defaults: {failure: dead}',
    'processors:',
    '  dead: {type: Discard}',
    '  p0: {type: GenerateFlowFile, rate: 100/s, to: [p1, p2]}',
  ];
  for (let i = 1; i < processors - 1; ++i) {
    const to = [2 * i + 1, 2 * i + 2].filter(next => next < processors - 1).map(next => `p${next}`);
    lines.push(
      to.length > 0
        ? `  p${i}: {type: UpdateAttributes, set: {n: "${i}"}, to: [${to.join(', ')}]}`
        : `  p${i}: {type: Discard}`,
    );
  }
  return lines.join('\n') + '\n';
}

it('200 processors that change every second leave the page smooth', async () => {
  const site = await weir(large(201));
  try {
    const { page, complaints } = await open(browser, site.url);
    await page.locator('.node').nth(199).waitFor({ timeout: 60_000 });
    await until(async () => (await page.locator('.edge.moving').count()) > 150, 60);
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' }); // its CPU time, whatever else runs here
    const work = async () => {
      const { metrics } = await session.send('Performance.getMetrics');
      return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN;
    };
    const before = await work();
    const seconds = 6;
    const frames = await page.evaluate(
      ms =>
        new Promise<{ count: number; longest: number }>(done => {
          const start = performance.now();
          let last = start;
          let longest = 0;
          let count = 0;
          const frame = (time: number) => {
            longest = Math.max(longest, time - last);
            last = time;
            ++count;
            if (time - start < ms) requestAnimationFrame(frame);
            else done({ count, longest });
          };
          requestAnimationFrame(frame);
        }),
      seconds * 1000,
    );
    const busy = ((await work()) - before) / seconds;
    console.log(
      `200 processors: ${(frames.count / seconds).toFixed(0)} frames/s, the longest took ${frames.longest.toFixed(0)} ms; ` +
        `the page's thread works ${(busy * 1000).toFixed(0)} ms a second`,
    );
    expect(frames.count / seconds).toBeGreaterThan(20); // 59 or 60, also beside other work
    expect(busy).toBeLessThan(0.3); // about 0.1: what is left is what keeps it smooth
    expect(complaints).toEqual([]);
    await page.close();
  } finally {
    await site.stop();
  }
});
