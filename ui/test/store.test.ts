import { effect } from '@preact/signals';
import { describe, expect, it } from 'vitest';
import { concerns, latestTrouble, summary } from '../src/model/attention';
import { Store, type FlowModel } from '../src/model/store';
import { bulletin, connection, flow, processor, status, update } from './fixture';

function traffic(records: number) {
  return { flowfiles: records, records, bytes: records * 100 };
}

function only(store: Store): FlowModel {
  const found = store.flow('flow');
  if (found === null) throw new Error('the flow is not there');
  return found;
}

describe('the store', () => {
  it('measures rates from one update to the next', () => {
    const store = new Store();
    for (let second = 0; second <= 3; ++second) {
      store.setFlows([flow([processor('a', { in: traffic(second * 50) })], [])]);
      store.sample(second * 1000);
    }
    expect(store.processor('flow', 'a')?.rateIn).toBe(50);
  });

  it('counts FlowFiles where there are no records', () => {
    const store = new Store();
    for (let second = 0; second <= 1; ++second) {
      store.setFlows([flow([processor('a', { in: { flowfiles: second * 4, records: 0, bytes: 9 } })], [])]);
      store.sample(second * 1000);
    }
    expect(store.processor('flow', 'a')?.rateIn).toBe(4);
  });

  it('applies what was pushed to those it names, and says so if it does not know one', () => {
    const store = new Store();
    store.setFlows([flow([processor('a'), processor('b')], [connection('a', 'b')])]);
    const known = store.apply(
      update({
        processors: [{ ...processor('a', { errors: 3 }), flow: 'flow' }],
        connections: [connection('a', 'b', { queued: 5 })],
      }),
    );
    expect(known).toBe(true);
    expect(store.processor('flow', 'a')?.state.value.errors).toBe(3);
    expect(store.processor('flow', 'b')?.state.value.errors).toBe(0);
    expect(store.connection('flow/a/success/b')?.state.value.queued).toBe(5);
    expect(store.apply(update({ processors: [{ ...processor('new'), flow: 'flow' }] }))).toBe(false);
  });

  it('keeps its models, and with them what is drawn, while the flow is the same', () => {
    const store = new Store();
    store.setFlows([flow([processor('a')], [])]);
    const before = only(store);
    store.setFlows([flow([processor('a', { errors: 1 })], [])]);
    expect(only(store)).toBe(before);
    store.setFlows([flow([processor('a'), processor('b')], [])]);
    expect(only(store)).not.toBe(before);
    expect(only(store).byName.get('a')).toBe(before.byName.get('a'));
  });

  it('draws an idle processor once more when it comes to rest, and then not again', () => {
    const store = new Store();
    let drawn = 0;
    store.setFlows([flow([processor('a')], [])]);
    effect(() => {
      store.processor('flow', 'a')?.version.value;
      ++drawn;
    });
    for (let second = 0; second < 10; ++second) store.sample(second * 1000);
    const idle = drawn;
    for (let second = 10; second < 20; ++second) store.sample(second * 1000);
    expect(drawn).toBe(idle);
    store.setFlows([flow([processor('a', { in: traffic(10) })], [])]);
    store.sample(20_000);
    expect(drawn).toBeGreaterThan(idle);
  });

  it('takes each bulletin once', () => {
    const store = new Store();
    store.addBulletins([bulletin(1), bulletin(2)]);
    store.addBulletins([bulletin(2), bulletin(3)]);
    expect(store.bulletins.value.map(({ id }) => id)).toEqual([1, 2, 3]);
  });
});

describe('what needs attention', () => {
  const now = Date.parse('2026-11-21T08:01:00.000Z');
  function titles(store: Store, bulletins = store.bulletins.value) {
    return concerns(only(store), status(), bulletins, now).map(({ title }) => title);
  }

  it('is nothing while all is well', () => {
    const store = new Store();
    store.setFlows([flow([processor('a'), processor('b')], [connection('a', 'b', { queued: 500 })])]);
    expect(titles(store)).toEqual([]);
  });

  it('is the last full queue of a row: what comes after it is slow', () => {
    const store = new Store();
    const full = { queued: 1000 };
    store.setFlows([
      flow(
        [processor('a'), processor('b'), processor('c'), processor('d')],
        [connection('a', 'b', full), connection('b', 'c', full), connection('c', 'd')],
      ),
    ]);
    expect(titles(store)).toEqual(['Stuck before c']);
  });

  it('is said before it is too late', () => {
    const store = new Store();
    store.setFlows([flow([processor('a'), processor('b')], [connection('a', 'b', { queued: 850 })])]);
    expect(titles(store)).toEqual(['b falls behind']);
  });

  it('names what cannot work with its reason, once', () => {
    const store = new Store();
    const message = 'no such host';
    store.setFlows([flow([processor('a', { status: 'misconfigured', ready: false, message })], [])]);
    const list = concerns(only(store), status({ ready: false, problem: message }), [bulletin(1, { message })], now);
    expect(list).toMatchObject([{ severity: 'error', title: 'a cannot work', text: message }]);
  });

  it('is a stopped processor only if something waits for it', () => {
    const store = new Store();
    const stopped = processor('b', { status: 'stopped' });
    store.setFlows([flow([processor('a'), stopped], [connection('a', 'b')])]);
    expect(titles(store)).toEqual([]);
    store.setFlows([flow([processor('a'), stopped], [connection('a', 'b', { queued: 7 })])]);
    expect(titles(store)).toEqual(['b is stopped']);
    store.setFlows([flow([processor('a'), stopped], [connection('a', 'b', { queued: 1000 })])]);
    expect(titles(store)).toEqual(['b is stopped']); // and not also that its queue is full
  });

  it('forgets old bulletins, and tells errors before warnings', () => {
    const store = new Store();
    store.setFlows([flow([processor('a'), processor('b')], [])]);
    const list = [
      bulletin(1, { processor: 'a', time: '2026-11-21T07:00:00.000Z', level: 'error' }),
      bulletin(2, { processor: 'a', level: 'warning' }),
      bulletin(3, { processor: 'b', level: 'error' }),
      bulletin(4, { processor: 'b', level: 'info' }),
    ];
    expect(titles(store, list)).toEqual(['b', 'a']);
    expect(latestTrouble('flow', list, now).get('a')?.id).toBe(2);
  });
});

describe('the numbers of a flow', () => {
  it('are what sources bring and what sinks take', () => {
    const store = new Store();
    for (let second = 0; second <= 1; ++second) {
      const n = traffic(second * 10);
      store.setFlows([
        flow(
          [
            processor('source', { source: true, out: { success: n } }),
            processor('middle', { in: n, out: { success: n, failure: traffic(0) } }),
            processor('sink', { in: n, out: { failure: traffic(0) }, errors: 2 }),
          ],
          [
            connection('source', 'middle', { queued: 3, queued_bytes: 30 }),
            connection('middle', 'sink', { queued: 9 }),
          ],
        ),
      ]);
      store.sample(second * 1000);
    }
    const sums = summary(only(store));
    expect(sums).toMatchObject({ in: 10, out: 10, queued: 12, queuedBytes: 30, errors: 2, running: 3 });
    expect(sums.fullest?.info.to).toBe('sink');
  });
});
