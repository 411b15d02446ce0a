import { describe, expect, it } from 'vitest';
import { fit, LARGEST, reveal, SMALLEST, zoomAt } from '../src/model/viewport';

const none = { left: 0, top: 0, right: 0, bottom: 0 };

describe('the viewport', () => {
  it('shows the whole graph in the middle', () => {
    expect(fit({ width: 2000, height: 500 }, { width: 1000, height: 1000 }, none)).toEqual({
      scale: 0.5,
      left: 0,
      top: 375,
    });
  });

  it('does not blow up a small graph', () => {
    expect(fit({ width: 100, height: 100 }, { width: 1000, height: 1000 }, none).scale).toBe(1);
  });

  it('keeps what is under the pointer there when it zooms', () => {
    const before = { left: 30, top: -20, scale: 0.7 };
    const after = zoomAt(before, 1.6, 400, 300);
    expect((400 - after.left) / after.scale).toBeCloseTo((400 - before.left) / before.scale);
    expect((300 - after.top) / after.scale).toBeCloseTo((300 - before.top) / before.scale);
  });

  it('zooms within bounds', () => {
    const view = { left: 0, top: 0, scale: 1 };
    expect(zoomAt(view, 1000, 0, 0).scale).toBe(LARGEST);
    expect(zoomAt(view, 0.0001, 0, 0).scale).toBe(SMALLEST);
  });

  it('moves only as far as it must to show a box', () => {
    const view = { left: 0, top: 0, scale: 1 };
    const window = { width: 500, height: 500 };
    const margins = { ...none, right: 100 };
    expect(reveal(view, { x: 10, y: 10, width: 50, height: 50 }, window, margins)).toBe(view);
    expect(reveal(view, { x: 380, y: 10, width: 50, height: 50 }, window, margins)).toMatchObject({
      left: -30,
      top: 0,
    });
    expect(reveal(view, { x: -20, y: 600, width: 50, height: 50 }, window, margins)).toMatchObject({
      left: 20,
      top: -150,
    });
  });
});
