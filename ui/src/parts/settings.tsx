import type { Setting } from '../model/types';

/** A processor's settings as name and value; what is nested is indented. All of it is text: nothing here is markup. */
export function Settings({ settings }: { settings: Setting }) {
  const entries = Object.entries(settings as Record<string, Setting>);
  if (typeof settings === 'string' || entries.length === 0)
    return (
      <p class="quiet">{typeof settings === 'string' && settings !== '' ? settings : 'None: all are as usual.'}</p>
    );
  return (
    <dl class="pairs settings">
      {entries.map(([name, value]) => (
        <div key={name} class={isLong(value) ? 'long' : ''}>
          <dt>{name}</dt>
          <dd>
            <Value value={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function isLong(value: Setting): boolean {
  return typeof value === 'string'
    ? value.length > 28 || value.includes('\n')
    : !Array.isArray(value) || value.some(isNested);
}

function isNested(value: Setting): boolean {
  return typeof value !== 'string';
}

function Value({ value }: { value: Setting }) {
  if (typeof value === 'string') {
    if (value === '***') return <span class="quiet">secret</span>;
    return <code>{value.trim()}</code>;
  }
  if (Array.isArray(value)) {
    if (value.some(isNested))
      return (
        <>
          {value.map((one, index) => (
            <Value key={index} value={one} />
          ))}
        </>
      );
    return <code>{value.join(', ')}</code>;
  }
  return <Settings settings={value} />;
}
