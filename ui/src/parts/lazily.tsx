// Views that are not part of the first one are files of their own, and loaded when they are needed, or when nothing else
// is to be done.
import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect } from 'preact/hooks';

const loaders: (() => Promise<void>)[] = [];

/** `load` imports the component. Until it is there, a line says so. */
export function lazily<Props extends object>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  const part = signal<{ Component: ComponentType<Props> } | null>(null);
  const failed = signal(false);
  const get = async () => {
    if (part.peek() !== null) return;
    try {
      part.value = { Component: await load() };
      failed.value = false;
    } catch {
      failed.value = true; // a part that another version of Weir has no more, or no Weir
    }
  };
  loaders.push(get);
  return function Lazily(props: Props) {
    useEffect(() => void get(), []);
    if (part.value !== null) return <part.value.Component {...props} />;
    if (!failed.value)
      return (
        <p class="quiet loading" role="status">
          Reading…
        </p>
      );
    return (
      <div class="empty">
        <h1>This part of the page could not be loaded</h1>
        <p>Weir does not answer, or is another version now.</p>
        <button class="button" onClick={() => location.reload()}>
          Load the page again
        </button>
      </div>
    );
  };
}

export async function loadAll(): Promise<void> {
  for (const load of loaders) await load();
}
