import { describe, expect, it } from 'vitest';
import { partsOf } from '../src/model/names';

describe('names in the provenance', () => {
  it('begin with the flow', () => {
    expect(partsOf('lake/readings')).toEqual({ flow: 'lake', lane: '', parts: ['readings'] });
    expect(partsOf('lake/readings/success/archive').parts).toEqual(['readings', 'success', 'archive']);
  });

  it('say in which lane of a flow that scales out', () => {
    expect(partsOf('lake@sensor.readings-1/12/readings/success/archive')).toEqual({
      flow: 'lake',
      lane: 'sensor.readings-1/12',
      parts: ['readings', 'success', 'archive'],
    });
    expect(partsOf('lake@readings/0/mean').parts).toEqual(['mean']);
  });
});
