// Moving over the graph with pointer, wheel and pinch. It owns the layer's transform; nothing is rendered for a move.
import { pan, zoomAt, type Viewport } from '../model/viewport';

/** Below this scale a processor's small print cannot be read, and is not drawn. */
const FAR = 0.5;
/** A pointer that moves less clicks. */
const CLICK = 5;

export class Navigation {
  view: Viewport = { left: 0, top: 0, scale: 1 };
  /** Nobody has moved since the whole flow was shown: then it stays whole when the window changes. */
  untouched = true;
  private stage: HTMLElement | null = null;
  private layer: HTMLElement | null = null;
  private readonly pointers = new Map<number, { x: number; y: number }>();
  private travelled = 0;

  attach(stage: HTMLElement, layer: HTMLElement): () => void {
    this.stage = stage;
    this.layer = layer;
    const controller = new AbortController();
    const { signal } = controller;
    stage.addEventListener('wheel', event => this.wheel(event), { passive: false, signal });
    stage.addEventListener('pointerdown', event => this.down(event), { signal });
    stage.addEventListener('pointermove', event => this.move(event), { signal });
    for (const name of ['pointerup', 'pointercancel'] as const)
      stage.addEventListener(name, event => this.up(event), { signal });
    // The click after a drag is none.
    stage.addEventListener(
      'click',
      event => {
        if (this.travelled <= CLICK) return;
        event.preventDefault();
        event.stopPropagation();
      },
      { capture: true, signal },
    );
    stage.addEventListener('dragstart', event => event.preventDefault(), { signal });
    return () => controller.abort();
  }

  show(view: Viewport, how: { touched: boolean; smooth: boolean }): void {
    this.view = view;
    this.untouched = !how.touched;
    if (this.layer === null) return;
    this.layer.classList.toggle('smooth', how.smooth);
    this.layer.classList.toggle('far', view.scale < FAR);
    this.layer.style.transform = `translate(${view.left}px, ${view.top}px) scale(${view.scale})`;
  }

  zoomBy(factor: number): void {
    if (this.stage === null) return;
    const { clientWidth, clientHeight } = this.stage;
    this.show(zoomAt(this.view, factor, clientWidth / 2, clientHeight / 2), { touched: true, smooth: true });
  }

  private place(event: { clientX: number; clientY: number }): { x: number; y: number } {
    const box = this.stage?.getBoundingClientRect();
    return { x: event.clientX - (box?.left ?? 0), y: event.clientY - (box?.top ?? 0) };
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const touched = { touched: true, smooth: false };
    if (event.shiftKey || (event.deltaX !== 0 && !event.ctrlKey)) {
      this.show(pan(this.view, -event.deltaX * unit, -event.deltaY * unit), touched);
      return;
    }
    const { x, y } = this.place(event);
    const strength = event.ctrlKey ? 0.01 : 0.0015; // a pinch on a touchpad comes as a small wheel with Ctrl
    this.show(zoomAt(this.view, Math.exp(-event.deltaY * unit * strength), x, y), touched);
  }

  private down(event: PointerEvent): void {
    if (event.button !== 0) return;
    if (this.pointers.size === 0) this.travelled = 0;
    this.pointers.set(event.pointerId, this.place(event));
  }

  private move(event: PointerEvent): void {
    const before = this.pointers.get(event.pointerId);
    if (before === undefined || this.stage === null) return;
    const here = this.place(event);
    this.travelled += Math.hypot(here.x - before.x, here.y - before.y);
    if (this.travelled <= CLICK) {
      return;
    }
    if (!this.stage.hasPointerCapture(event.pointerId)) this.stage.setPointerCapture(event.pointerId);
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.pointers.set(event.pointerId, here);
    let view = this.view;
    if (other === undefined) {
      view = pan(view, here.x - before.x, here.y - before.y);
    } else {
      const apart = Math.hypot(before.x - other.x, before.y - other.y);
      const now = Math.hypot(here.x - other.x, here.y - other.y);
      view = pan(view, (here.x - before.x) / 2, (here.y - before.y) / 2);
      if (apart > 0) view = zoomAt(view, now / apart, (here.x + other.x) / 2, (here.y + other.y) / 2);
    }
    this.show(view, { touched: true, smooth: false });
  }

  private up(event: PointerEvent): void {
    this.pointers.delete(event.pointerId);
  }
}
