// The catalogue: what the flows write, for those who use it.
import { useState } from 'preact/hooks';
import { bytes, count } from '../model/format';
import { toDataset } from '../model/route';
import type { Dataset } from '../model/types';
import { Score } from '../parts/trend';
import { usePolled } from '../parts/use-polled';
import { Freshness } from './quality';

const REFRESH = 5000;

export const KINDS: Record<string, string> = {
  file: 'Files',
  s3: 'Objects',
  kafka: 'Kafka topic',
  mqtt: 'MQTT topic',
  sql: 'Table',
  http: 'HTTP',
};

export function DataView() {
  const answer = usePolled<{ datasets: Dataset[] }>('/datasets', REFRESH);
  const [text, setText] = useState('');
  const all = answer.data?.datasets ?? null;
  const wanted = text.trim().toLowerCase();
  const shown = all?.filter(dataset =>
    [dataset.name, dataset.id, dataset.owner, dataset.description, ...dataset.tags].some(part =>
      part.toLowerCase().includes(wanted),
    ),
  );
  return (
    <section class="page">
      <header class="page-head">
        <h1>Data</h1>
        {all !== null && all.length > 0 && (
          <label class="find">
            <span class="hidden">Find a dataset</span>
            <input
              value={text}
              onInput={event => setText(event.currentTarget.value)}
              placeholder="name, owner or tag"
            />
          </label>
        )}
      </header>
      {answer.error !== '' && <p class="callout bad">{answer.error}</p>}
      {shown === undefined ? (
        answer.error === '' && (
          <p class="quiet" role="status">
            Reading…
          </p>
        )
      ) : shown.length === 0 ? (
        <div class="empty">
          <h2>{wanted === '' ? 'These flows write nothing' : 'No dataset is like this'}</h2>
          <p>
            {wanted === ''
              ? 'Every file, object, topic or table that a sink writes stands here, with what is in it and how good it is.'
              : 'Names, owners, descriptions and tags are looked through.'}
          </p>
        </div>
      ) : (
        <div class="table stacks" tabIndex={0} role="region" aria-label="Datasets">
          <table class="datasets">
            <thead>
              <tr>
                <th>Dataset</th>
                <th>Kind</th>
                <th>Owner</th>
                <th class="right">Last write</th>
                <th class="right">Rows</th>
                <th class="right">Size</th>
                <th>Good</th>
              </tr>
            </thead>
            <tbody>
              {shown.map(dataset => (
                <tr key={dataset.id}>
                  <td class="what whole">
                    <a href={toDataset(dataset.flow, dataset.processor)}>{dataset.name}</a>
                    <small>{dataset.description === '' ? dataset.id : dataset.description}</small>
                  </td>
                  <td>{KINDS[dataset.kind] ?? dataset.kind}</td>
                  <td data-label="Owner">{dataset.owner === '' ? <span class="quiet">–</span> : dataset.owner}</td>
                  <td class="right" data-label="Last write">
                    <Freshness time={dataset.last_write} />
                  </td>
                  <td class="right" data-label="Rows">
                    {count(dataset.rows)}
                  </td>
                  <td class="right" data-label="Size">
                    {bytes(dataset.bytes)}
                  </td>
                  <td>
                    <Score good={dataset.quality.good} n={dataset.quality.n} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
