// A flow that scales out: an operator looks into the lanes that this Weir has.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { axe, launch, open } from './browser';
import { runToEnd, servers, until, weir, type Servers, type Site } from './weir';

const LANES = ['readings/0', 'readings/1'];

const flow = (brokers: string, database: string) => `
flow: share
scale_out: true
records:
  reading: {n: {type: integer}, k: {type: text}}
processors:
  in: {type: KafkaSource, brokers: "${brokers}", topic: readings, group: share, record: reading, to: [check, raw]}
  check: {type: Filter, where: "n >= 0", to: {matched: count, failure: complaints}, drop: unmatched}
  count: {type: WindowAggregate, key: k, time: "1700000000 + n", window: 100s,
          aggregates: {readings: {function: count}}, to: {success: counts}, drop: [late, failure]}
  counts: {type: KafkaSink, brokers: "${brokers}", topic: counts, key: k, delivery: exactly_once, drop: failure}
  complaints: {type: SqlSink, url: "${database}", password: secret, table: complaints, columns: {k: k},
               delivery: exactly_once, drop: failure}
  raw: {type: KafkaSink, brokers: "${brokers}", topic: raw, key: k, delivery: exactly_once, drop: failure}
`;

/** Forty messages in both partitions. */
const producer = (brokers: string, n: string) => `
flow: produce
processors:
  numbers: {type: GenerateFlowFile, count: 40, content: '{"n": ${n}, "k": "sensor-$(seq % 8)"}', to: topic}
  topic: {type: KafkaSink, brokers: "${brokers}", topic: readings, key: k, drop: failure}
`;

let browser: Browser;
let kafka: Servers | null = null;
let site: Site | undefined;
const produce = (n = '$(seq)') => runToEnd(producer(kafka!.where['kafka']!, n));

beforeAll(async () => {
  [browser, kafka] = await Promise.all([
    launch(),
    servers('kafka,num.partitions=2,group.initial.rebalance.delay.ms=0', 'postgresql'),
  ]);
  if (kafka === null) return;
  await produce();
  site = await weir(flow(kafka.where['kafka']!, kafka.where['postgresql']!));
});
afterAll(async () => {
  await browser?.close();
  await site?.stop();
  await kafka?.stop();
});

const section = (page: Page, title: string) =>
  page.locator('section', { has: page.getByRole('heading', { name: title }) }).last();
const lanesIn = async (page: Page, list: string) =>
  [...new Set(await page.locator(`${list} .row .lane`).allTextContents())].sort();

/** What is seen is accessible and fits, in both themes, on a desk and on a phone. */
async function isWell(page: Page, what: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const width of [390, 1440]) {
      await page.setViewportSize({ width, height: 900 });
      expect(await axe(page), `${what}, ${colorScheme}, ${width}`).toEqual([]);
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(wider, `${what} is wider than ${width}`).toBeLessThanOrEqual(0);
    }
  }
}

it('lanes are looked into: what passes, what is remembered, what waits and what failed', async context => {
  if (site === undefined || kafka === null) return context.skip();
  const { page, complaints } = await open(browser, `${site.url}/#/flow/share/connection/in/success/raw`);
  const go = (hash: string) => page.evaluate(to => (location.hash = to), hash);

  const passes = section(page, 'What passes');
  const chooser = passes.getByLabel('Lane');
  await until(
    async () => (await chooser.locator('option').allTextContents()).join() === ['all 2', ...LANES].join(),
    60,
  );
  await passes.getByRole('button', { name: 'Watch' }).click();
  const passing = '[aria-label="Sample of what passes"]';
  await until(async () => {
    await produce();
    return (await lanesIn(page, passing)).join() === LANES.join();
  }, 60);
  await isWell(page, 'a tap of all lanes');
  await chooser.selectOption('readings/1');
  await page.locator(passing).waitFor({ state: 'detached' });
  await until(async () => {
    await produce();
    return (await page.locator(`${passing} li`).count()) > 2;
  }, 60);
  expect(await lanesIn(page, passing)).toEqual(['readings/1']);
  await passes.getByText(/^done before offset/).waitFor();

  await go('#/flow/share/processor/count');
  await page.getByRole('button', { name: /show its entr/ }).click({ timeout: 60_000 });
  const entries = page.locator('.state-entries');
  await entries.locator('dd').first().waitFor();
  const first = await entries.textContent();
  const remembers = section(page, 'What it remembers');
  await remembers.getByLabel('Lane').selectOption('readings/1');
  await until(async () => (await entries.count()) > 0 && (await entries.textContent()) !== first, 60);
  expect(await remembers.getByRole('button', { name: 'Clear…' }).count()).toBe(0);
  await isWell(page, 'the state of a lane');

  await kafka.kill('postgresql');
  await produce('"none"');
  await go('#/flow/share/connection/check/failure/complaints');
  const waits = section(page, 'What waits');
  await waits.locator('li').first().waitFor({ timeout: 60_000 });
  await waits.getByLabel('Lane').selectOption('readings/1');
  await until(async () => {
    const row = waits.locator('.row').first();
    if ((await row.getAttribute('aria-expanded')) === 'false') await row.click();
    const link = await waits.getByRole('link', { name: 'Where it came from' }).getAttribute('href', { timeout: 1000 });
    return decodeURIComponent(link ?? '').includes('share@readings/1/check/failure/complaints:');
  }, 60);
  await waits
    .getByText(/complaints/)
    .first()
    .waitFor({ timeout: 60_000 });
  expect(await page.getByRole('button', { name: /Drop all|Send back/ }).count()).toBe(0);
  await isWell(page, 'the queue of a lane');

  await go('#/flow/share');
  await page
    .locator('.strip', { hasText: 'Dead letters' })
    .getByRole('link', { name: '40' })
    .click({ timeout: 60_000 });
  await until(async () => (await lanesIn(page, '.flowfiles')).join() === LANES.join(), 60);
  await page.getByText('in a lane nothing is sent back').waitFor();
  await page.locator('.flowfiles .row').first().click();
  await page.locator('.opened pre', { hasText: '"none"' }).waitFor();
  await isWell(page, 'dead letters of all lanes');
  await page.getByLabel('Lane').selectOption('readings/0');
  await until(async () => (await lanesIn(page, '.flowfiles')).join() === LANES[0], 60);
  // Of a lane that begins anew meanwhile, an answer of 404, which the browser reports by itself.
  expect(complaints.filter(text => !/ 404 /.test(text))).toEqual([]);
  await page.close();
});
