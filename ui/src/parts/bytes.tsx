// Content as it is: bytes that a device chose. Shown as text, never as markup.
import type { Bytes } from '../model/types';
import { hexDump } from '../model/hex';

/** Pretty JSON if it is whole and one document; else as it came. */
export function readable(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export function Content({ content, whole = false }: { content: Bytes; whole?: boolean }) {
  if (content.text !== undefined) {
    if (content.text === '') return <p class="quiet">Empty</p>;
    const text = content.truncated || !whole ? content.text : readable(content.text);
    return (
      <pre class="content" tabIndex={0} aria-label="Content">
        {text}
        {content.truncated && <span class="quiet">…</span>}
      </pre>
    );
  }
  return (
    <pre class="content" tabIndex={0} aria-label="Content, as hexadecimal">
      {hexDump(content.base64 ?? '')}
      {content.truncated && <span class="quiet">…</span>}
    </pre>
  );
}

export function Attributes({ attributes }: { attributes: Record<string, string> }) {
  const entries = Object.entries(attributes);
  if (entries.length === 0) return <p class="quiet">No attributes</p>;
  return (
    <dl class="pairs">
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <code>{value}</code>
          </dd>
        </div>
      ))}
    </dl>
  );
}
