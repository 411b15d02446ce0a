// The one page: its store, where one is in it, and what its parts share.
import { effect, signal } from '@preact/signals';
import { Live } from './api/live';
import { formatRoute, parseRoute, type Route } from './model/route';
import { Store } from './model/store';

export const store = new Store();
export const live = new Live(store);
export const route = signal<Route>(parseRoute(location.hash));
/** The present, each second: for "3 s ago". */
export const now = signal(Date.now());
export const searching = signal(false);
export const helping = signal(false);
export const signingOn = signal(false);

export function navigate(to: Route): void {
  const hash = formatRoute(to);
  if (hash !== location.hash) location.hash = hash;
}

export type Theme = 'system' | 'light' | 'dark';
const THEME = 'weir.theme';

function storedTheme(): Theme {
  try {
    const stored = localStorage.getItem(THEME);
    return stored === 'light' || stored === 'dark' ? stored : 'system';
  } catch {
    return 'system'; // storage may be forbidden
  }
}
export const theme = signal<Theme>(storedTheme());

/** Ends when there is something to show. */
export function start(): Promise<void> {
  window.addEventListener('hashchange', () => (route.value = parseRoute(location.hash)));
  setInterval(() => (now.value = Date.now()), 1000);
  effect(() => {
    const chosen = theme.value;
    if (chosen === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = chosen;
    try {
      localStorage.setItem(THEME, chosen);
    } catch {
      // Then it holds for this visit.
    }
  });
  return live.start();
}
