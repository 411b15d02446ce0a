// Who wanted to change something, and what came of it: for operators.
import { useState } from 'preact/hooks';
import { now, store } from '../app';
import { clock, plural } from '../model/format';
import type { AuditEntry } from '../model/types';
import { usePolled } from '../parts/use-polled';

const LIMIT = 100;

export function AuditView() {
  // Below which id each page began; the last one is shown.
  const [pages, setPages] = useState<(number | null)[]>([null]);
  const [who, setWho] = useState('');
  const before = pages.at(-1) ?? null;
  const question = new URLSearchParams({ limit: String(LIMIT) });
  if (before !== null) question.set('before', String(before));
  if (who !== '') question.set('who', who);
  const allowed = store.session.value?.role === 'operator';
  const { data, error, again } = usePolled<{ entries: AuditEntry[]; more: boolean }>(
    allowed ? `/audit?${question.toString()}` : null,
    0,
  );
  const names = [...new Set(data?.entries.map(entry => entry.who).filter(name => name !== ''))];
  const last = data?.entries.at(-1);
  return (
    <section class="page">
      <header class="page-head">
        <h1>Who changed what</h1>
        {allowed && (
          <div class="page-tools">
            <label>
              <span class="hidden">Who</span>
              <select
                class="choice"
                value={who}
                onChange={event => {
                  setWho(event.currentTarget.value);
                  setPages([null]);
                }}
              >
                <option value="">everybody</option>
                {[...new Set([...names, ...(who === '' ? [] : [who])])].sort().map(name => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
            <button class="button" onClick={again}>
              Read again
            </button>
          </div>
        )}
      </header>
      {!allowed ? (
        <p class="quiet">This is for operators: sign on with a token that has that role.</p>
      ) : error !== '' ? (
        <p class="callout bad">{error}</p>
      ) : data === null ? (
        <p class="quiet" role="status">
          Reading…
        </p>
      ) : data.entries.length === 0 ? (
        <div class="empty">
          <h2>Nobody has changed anything</h2>
          <p>Here stands who stopped, dropped, replayed or applied what, and who was refused.</p>
        </div>
      ) : (
        <Entries entries={data.entries} />
      )}
      {(pages.length > 1 || data?.more) && (
        <div class="pager">
          <button class="button" disabled={pages.length === 1} onClick={() => setPages(pages.slice(0, -1))}>
            Newer
          </button>
          <button
            class="button"
            disabled={!data?.more || last === undefined}
            onClick={() => last !== undefined && setPages([...pages, last.id])}
          >
            Older
          </button>
        </div>
      )}
    </section>
  );
}

function Entries({ entries }: { entries: readonly AuditEntry[] }) {
  return (
    <div class="table stacks" tabIndex={0} role="region" aria-label="Audit log">
      <table class="audit">
        <thead>
          <tr>
            <th>Time</th>
            <th>Who</th>
            <th>From</th>
            <th>What</th>
            <th>Of what</th>
            <th>Came of it</th>
          </tr>
        </thead>
        <tbody>
          {entries.map(entry => (
            <tr key={entry.id}>
              <td>
                <time dateTime={entry.time}>{clock(entry.time, now.value)}</time>
              </td>
              <td>{entry.who === '' ? <span class="quiet">no token</span> : entry.who}</td>
              <td data-label="from">{entry.from}</td>
              <td>
                {entry.action}
                {entry.with !== undefined && <small> {JSON.stringify(entry.with)}</small>}
              </td>
              <td>{entry.on}</td>
              <td class="where whole">
                <span class={`outcome ${entry.outcome}`}>{entry.outcome}</span>{' '}
                {entry.why !== undefined && <small>{entry.why}</small>}
                {entry.passed_over !== undefined && (
                  <small>{` ${plural(entry.passed_over, 'refusal')} before it not kept`}</small>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
