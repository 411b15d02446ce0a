// The page on the main job, as an operator sees it.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axe, launch, number, open } from './browser';
import { publish, sensorLake, until } from './weir';

let browser: Browser;
let lake: Awaited<ReturnType<typeof sensorLake>>;

beforeAll(async () => {
  [browser, lake] = await Promise.all([launch(), sensorLake()]);
});
afterAll(async () => {
  await browser?.close();
  await lake?.stop();
});

const node = (page: Page, name: string) => page.locator(`[data-processor="${name}"]`);
const fact = (page: Page, name: string) => page.locator('.panel .fact', { hasText: name }).locator('.value');

describe('the sensor lake', () => {
  it('is seen as a graph, and its rates move', async () => {
    const { page, complaints } = await open(browser, lake.url);
    await node(page, 'readings').waitFor();
    const { processors } = (await (await fetch(`${lake.url}/api/v1/flows/sensor-lake`)).json()) as {
      processors: unknown[];
    };
    expect(await page.locator('.node').count()).toBe(processors.length);
    expect(await page.locator('.edge').count()).toBeGreaterThan(processors.length);
    const rate = await until(async () => {
      const text = await node(page, 'readings').locator('.node-rates').textContent();
      return number((text ?? '').replace('out', '').trim()) > 50 ? text : null;
    }, 60);
    expect(rate).toMatch(/out [\d.]+\/s/);
    expect(await page.locator('.edge.moving').count()).toBeGreaterThan(3);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('weighs less than 150 KB, is seen at once, and asks for all it needs while its script is on the way', async () => {
    const page = await browser.newPage();
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    let files = 0;
    const urls = new Map<string, string>();
    session.on('Network.responseReceived', ({ requestId, response }) => urls.set(requestId, response.url));
    session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      if (!(urls.get(requestId) ?? '').includes('/api/')) files += encodedDataLength;
    });
    await page.addInitScript(() => {
      const drawn = new MutationObserver(() => {
        if (document.querySelector('.node') === null) return;
        drawn.disconnect();
        requestAnimationFrame(() => setTimeout(() => performance.mark('drawn')));
      });
      drawn.observe(document, { childList: true, subtree: true });
    });
    await page.goto(lake.url);
    await node(page, 'readings').waitFor();
    const seen = await until(
      () =>
        page.evaluate(() => {
          const paint = performance.getEntriesByName('first-contentful-paint')[0];
          const drawn = performance.getEntriesByName('drawn')[0];
          if (paint === undefined || drawn === undefined) return null;
          const loaded = performance.getEntriesByType('resource') as PerformanceResourceTiming[];
          const script = loaded.find(({ name }) => name.endsWith('.js'));
          return {
            paint: paint.startTime,
            drawn: drawn.startTime,
            scripts: loaded.filter(({ name, startTime }) => name.endsWith('.js') && startTime < drawn.startTime).length,
            late: loaded
              .filter(({ name, startTime }) => name.includes('/api/') && startTime > (script?.responseEnd ?? 0))
              .filter(({ name, startTime }) => startTime < drawn.startTime && !name.includes('/events'))
              .map(({ name }) => name),
          };
        }),
      30,
    );
    console.log(
      `page weight ${(files / 1024).toFixed(1)} KiB compressed for the first view; ` +
        `the flow drawn after ${seen.drawn.toFixed(0)} ms, on the screen after ${seen.paint.toFixed(0)} ms`,
    );
    // What is promised is 300 ms, which a busy machine does not keep; but what keeps it can be seen on any: one script,
    // and no question that is asked only when the script runs.
    expect(seen).toMatchObject({ scripts: 1, late: [] });
    expect(files).toBeGreaterThan(10_000);
    expect(files).toBeLessThan(75_000);
    expect(seen.drawn).toBeLessThan(3000);
    await until(() => Promise.resolve(files > 80_000), 30); // the other views come when nothing else is to be done
    expect(files).toBeLessThan(150_000);
    await page.close();
  });

  it('shows what a stopped processor does to its queue, and goes on when it is started', async () => {
    const { page, complaints } = await open(browser, lake.url);
    await node(page, 'history').click();
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await page.locator('.panel .chip', { hasText: 'stopped' }).waitFor({ timeout: 60_000 });
    await page.locator('.concerns', { hasText: 'history is stopped' }).waitFor({ timeout: 60_000 });
    await page
      .locator('.panel .queues', { hasText: /[1-9]\d* queued/ })
      .first()
      .waitFor({ timeout: 60_000 });
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await page.locator('.panel .chip', { hasText: 'running' }).waitFor({ timeout: 60_000 });
    await until(async () => number(await fact(page, 'In, records').textContent()) > 1, 60);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('is found and walked through by keyboard alone, and its address leads back', async () => {
    const { page, complaints } = await open(browser, lake.url);
    await node(page, 'readings').waitFor();
    const focused = await page.evaluate(async () => {
      document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '/', bubbles: true }));
      for (let i = 0; i < 10; ++i) await null; // no further: the next key may be on its way
      return document.activeElement?.getAttribute('aria-label');
    });
    expect(focused).toBe('Search for');
    await page.keyboard.type('dedup');
    await page.keyboard.press('Enter');
    await page.locator('.panel h2', { hasText: 'once' }).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.panel').waitFor({ state: 'detached' });
    await node(page, 'once').focus();
    await page.keyboard.press('ArrowUp');
    expect(await page.evaluate(() => document.activeElement?.getAttribute('data-processor'))).not.toBe('once');
    await page.keyboard.press('Enter');
    await page.locator('.panel').waitFor();
    const name = await page.locator('.panel h2').textContent();
    const again = await open(browser, page.url());
    await again.page.locator('.panel h2', { hasText: name ?? '' }).waitFor();
    expect([...complaints, ...again.complaints]).toEqual([]);
    await again.page.close();
    await page.close();
  });

  it('runs nothing that a device sends', async () => {
    const { page, complaints } = await open(browser, lake.url);
    await page.evaluate(() => {
      const marked = window as unknown as Record<string, unknown>;
      marked['alert'] = () => (marked['ran'] = true);
    });
    const attack = '<img src=x onerror=alert(1)><script>alert(1)<\\/script>"\'';
    await publish(lake.broker, 'sensors/<img src=x onerror=alert(1)>/readings', 'no record ' + attack);
    await publish(
      lake.broker,
      'sensors/\'"><svg onload=alert(1)>/readings',
      JSON.stringify({ sensor_id: attack, timestamp: Date.now(), value: 1, seq: 1 }),
    );
    await node(page, 'dead_letters').click();
    await until(async () => number(await fact(page, 'In, since start').textContent()) >= 2, 60);
    await page.goto(`${lake.url}/#/flow/${encodeURIComponent(attack)}/processor/${encodeURIComponent(attack)}`);
    await page.getByText('There is no flow').waitFor();
    expect(await page.evaluate(() => (window as unknown as Record<string, unknown>)['ran'])).toBeUndefined();
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('shows how good the data of each sensor is, the worst first, and what failed which rule', async () => {
    const { page, complaints } = await open(browser, `${lake.url}/#/quality`);
    await page.locator('.check', { hasText: 'sensor-lake/check' }).waitFor({ timeout: 60_000 });
    await page.locator('table.keys tbody tr').nth(5).waitFor({ timeout: 60_000 });
    expect(await axe(page)).toEqual([]);
    await page.getByRole('button', { name: 'Last hour' }).click();
    await page.locator('table.keys tbody a').first().click();
    await page.getByRole('heading', { name: 'Over time' }).waitFor();
    expect(number(await page.locator('.fact', { hasText: 'Good' }).locator('.value').textContent())).toBeGreaterThan(1);
    expect(await axe(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('lists what the flow writes, with what is in it and where it comes from', async () => {
    const { page, complaints } = await open(browser, `${lake.url}/#/data`);
    const row = page.locator('table.datasets tbody tr', { hasText: 'Every reading of a known sensor' });
    await row.waitFor({ timeout: 60_000 });
    await until(async () => number(await row.locator('td').nth(4).textContent()) > 0, 60);
    expect(await axe(page)).toEqual([]);
    await row.locator('a').click();
    await page.getByRole('heading', { name: 'readings', level: 1 }).waitFor();
    await page.locator('table.sample tbody tr').first().waitFor({ timeout: 60_000 });
    await page.locator('.query pre', { hasText: 'sqlite3' }).waitFor();
    expect(await page.locator('.lineage-node.step').count()).toBeGreaterThan(4);
    expect(await axe(page)).toEqual([]);
    const contract = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Data contract (ODCS)' }).click();
    expect((await contract).suggestedFilename()).toBe('sensor-lake-history.odcs.yaml');
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('runs nothing of a sensor that calls itself markup, in its quality and its data', async () => {
    const { page, complaints } = await open(browser, lake.url);
    await page.evaluate(() => {
      const marked = window as unknown as Record<string, unknown>;
      marked['alert'] = () => (marked['ran'] = true);
    });
    for (const place of [
      '#/data/sensor-lake/dead_letter_archive',
      `#/quality?processor=sensor-lake%2Fcheck&key=${encodeURIComponent('<img src=x onerror=alert(1)>')}`,
    ]) {
      await page.goto(`${lake.url}/${place}`);
      await page.locator('main h1').waitFor();
      await page.locator('main .callout, main table').first().waitFor({ timeout: 60_000 });
      expect(await page.evaluate(() => document.querySelector('main img, main script'))).toBeNull();
    }
    expect(await page.evaluate(() => (window as unknown as Record<string, unknown>)['ran'])).toBeUndefined();
    // That there is no such key is an answer of 404, which the browser reports by itself.
    expect(complaints.filter(text => !text.includes('404'))).toEqual([]);
    await page.close();
  });

  it('leads from a mean to the readings in it, and from a queue to what waits there', async () => {
    const { page, complaints } = await open(browser, lake.url);
    const question = `${lake.url}/api/v1/provenance/events?processor=sensor-lake/means&type=JOIN&limit=1000`;
    const mean = await until(async () => {
      const { events } = (await (await fetch(question)).json()) as {
        events: { outputs: [number, number] | null; out_connection: string | null }[];
      };
      const made = events.find(event => event.outputs !== null);
      return made === undefined ? null : `${made.out_connection ?? ''}:${made.outputs?.[0] ?? 0}`;
    }, 80); // its minute has to end
    await page.goto(`${lake.url}/#/lineage/${encodeURIComponent(mean)}`);
    await page.locator('.lineage-node', { hasText: 'means' }).waitFor();
    await page.locator('.origins code', { hasText: '"sensor_id"' }).first().waitFor();
    expect(await axe(page)).toEqual([]);
    await page.locator('.origins li a').first().click();
    await page.getByRole('button', { name: 'Replay' }).click();
    await page.getByText('It flows again').waitFor();

    await page.goto(`${lake.url}/#/flow/sensor-lake/connection/sane/matched/archive`);
    await page.locator('.flowfiles .row').first().click();
    await page.locator('.flowfiles .opened pre', { hasText: 'sensor_id' }).waitFor();
    expect(await axe(page)).toEqual([]);
    await page.goto(`${lake.url}/#/provenance?processor=sensor-lake%2Freadings`);
    await page.locator('tbody tr', { hasText: 'RECEIVE' }).first().waitFor();
    expect(await axe(page)).toEqual([]);
    await page.getByLabel('Until').fill('2020-01-01T00:00');
    await page.getByRole('button', { name: 'Search', exact: true }).last().click();
    await page.getByText('Nothing like this was recorded').waitFor();
    expect(page.url()).toContain('to=20');
    expect(complaints).toEqual([]);
    await page.close();
  }, 180_000);

  it('is accessible: axe finds nothing, in both themes, on a desk and on a phone', async () => {
    for (const theme of ['light', 'dark'] as const) {
      for (const width of [1440, 390]) {
        const { page } = await open(browser, lake.url, { theme, width });
        await node(page, 'readings').waitFor();
        for (const hash of [
          '#/',
          '#/flow/sensor-lake/processor/check',
          '#/flow/sensor-lake/connection/check/pass/history',
          '#/bulletins',
        ]) {
          await page.evaluate(to => (location.hash = to), hash);
          await page.locator(hash.includes('/flow/') ? '.panel' : 'main').waitFor();
          expect(await axe(page), `${theme} ${width} ${hash}`).toEqual([]);
        }
        await page.close();
      }
    }
  }, 240_000);
});
