import { useMemo, useState } from 'preact/hooks';
import { searching, store } from '../app';
import { plural } from '../model/format';
import { toConnection, toProcessor } from '../model/route';
import { search, type Candidate } from '../model/search';
import { Dialog } from '../parts/dialog';

function candidates(): Candidate[] {
  const flows = store.flows.value;
  const several = flows.length > 1;
  return flows.flatMap(flow => [
    ...flow.processors.map(processor => ({
      title: processor.name,
      detail: several ? `${processor.info.type} in ${flow.name}` : processor.info.type,
      href: toProcessor(flow.name, processor.name),
    })),
    ...flow.connections.map(({ info }) => ({
      title: `${info.from} → ${info.to}`,
      detail: several ? `${info.relationship}, in ${flow.name}` : info.relationship,
      href: toConnection(flow.name, info),
    })),
  ]);
}

export function SearchBox() {
  const [query, setQuery] = useState('');
  const [at, setAt] = useState(0);
  const flows = store.flows.value;
  const all = useMemo(candidates, [flows]);
  const found = useMemo(() => search(query, all), [query, all]);
  const chosen = Math.min(at, Math.max(0, found.length - 1));
  const close = () => (searching.value = false);
  const go = (candidate: Candidate | undefined) => {
    if (candidate === undefined) return;
    close();
    location.hash = candidate.href;
  };
  const key = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && found.length > 0) {
      event.preventDefault();
      setAt((chosen + step + found.length) % found.length);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      go(found[chosen]);
    }
  };
  return (
    <Dialog label="Search" class="search" onClose={close}>
      <input
        type="search"
        placeholder="Processor, type or connection"
        aria-label="Search for"
        role="combobox"
        aria-expanded="true"
        aria-controls="found"
        aria-activedescendant={found.length > 0 ? `found-${chosen}` : undefined}
        autocomplete="off"
        spellcheck={false}
        value={query}
        onInput={event => {
          setQuery(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={key}
        autoFocus
      />
      {found.length === 0 && <p class="nothing">Nothing in {plural(all.length, 'place')} has this name.</p>}
      <ul id="found" role="listbox" aria-label="Found">
        {found.map((candidate, index) => (
          <li
            key={candidate.href}
            id={`found-${index}`}
            role="option"
            aria-selected={index === chosen}
            onPointerMove={() => setAt(index)}
            onClick={() => go(candidate)}
          >
            <span>{candidate.title}</span>
            <small>{candidate.detail}</small>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
