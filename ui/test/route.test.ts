import { describe, expect, it } from 'vitest';
import { formatRoute, HOME, parseRoute, toConnection, toProcessor } from '../src/model/route';

describe('an address', () => {
  it.each([
    '#/',
    '#/flow/a',
    '#/flow/a/edit',
    '#/flow/a/processor/b',
    '#/flow/a/connection/b/success/c',
    '#/bulletins',
    '#/bulletins?flow=the+lake+%26+more',
    '#/audit',
    '#/flow/a/dead-letters',
  ])('leads back to where it was taken: %s', hash => expect(formatRoute(parseRoute(hash))).toBe(hash));

  it('holds any name', () => {
    for (const name of ['a/b', 'ü %2F', '"><script>', '#', '?a=b']) {
      expect(parseRoute(toProcessor(name, name))).toEqual({
        view: 'flow',
        flow: name,
        selection: { kind: 'processor', name },
      });
      const connection = { from: name, relationship: name, to: name };
      expect(parseRoute(toConnection(name, connection))).toMatchObject({ selection: connection });
    }
  });

  it('that is empty is home; that is broken is said to be', () => {
    expect(parseRoute('')).toEqual(HOME);
    for (const hash of ['#/nowhere', '#/flow/a/processor', '#/flow/a/processor/b/c', '#/flow/a/connection/b'])
      expect(parseRoute(hash)).toEqual({ view: 'unknown', hash });
    expect(parseRoute('#/flow/%E0%A4%A')).toMatchObject({ view: 'flow', flow: '%E0%A4%A' });
  });
});
