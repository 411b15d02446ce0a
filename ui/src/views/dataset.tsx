// A dataset: what is in it, how good and how fresh that is, where it comes from, and how to look at it.
import { useMemo, useState } from 'preact/hooks';
import { path, ROOT } from '../api/client';
import { bytes, count, plural } from '../model/format';
import { layoutOrigins, STEP_HEIGHT, STEP_WIDTH } from '../model/origins';
import { precise } from '../model/quality';
import { toProcessor, toQuality } from '../model/route';
import type { DatasetDetail, DatasetField } from '../model/types';
import { Fact, Section } from '../parts/facts';
import { usePolled } from '../parts/use-polled';
import { KINDS } from './data';
import { Freshness } from './quality';

const REFRESH = 5000;
const EXPORTS = [
  ['odcs', 'Data contract (ODCS)'],
  ['json-schema', 'JSON Schema'],
  ['openlineage', 'OpenLineage event'],
] as const;

export function DatasetView({ flow, processor }: { flow: string; processor: string }) {
  const { data, error } = usePolled<DatasetDetail>(`/datasets${path(flow, processor)}`, REFRESH);
  return (
    <section class="page">
      <header class="page-head">
        <div>
          <p>
            <a href="#/data">Data</a>
          </p>
          <h1>{data === null ? processor : data.name}</h1>
        </div>
      </header>
      {error !== '' && <p class="callout bad">{error}</p>}
      {data === null
        ? error === '' && (
            <p class="quiet" role="status">
              Reading…
            </p>
          )
        : Found(data)}
    </section>
  );
}

function Found(data: DatasetDetail) {
  const { quality } = data;
  return (
    <>
      <p class="dataset-about">{data.description === '' ? 'Nobody has described it yet.' : data.description}</p>
      <dl class="facts event-facts">
        <Fact name="Last write" value={<Freshness time={data.last_write} />} />
        <Fact name="Rows written" value={count(data.rows)} detail={bytes(data.bytes)} />
        <Fact
          name="Good"
          value={precise(quality.good)}
          detail={quality.good === null ? 'nothing checks it' : `of ${plural(quality.n, 'record')}`}
        />
        <Fact name="Owner" value={data.owner === '' ? '–' : data.owner} />
        <Fact name="Kind" value={KINDS[data.kind] ?? data.kind} detail={`${data.delivery}`} />
      </dl>
      <dl class="place">
        <dt>Where</dt>
        <dd>
          <code>{data.location === '' ? data.name : data.location}</code>
        </dd>
        <dt>Written by</dt>
        <dd>
          <a href={toProcessor(data.flow, data.processor)}>{data.id}</a> <small>{data.type}</small>
        </dd>
        {data.tags.length > 0 && (
          <>
            <dt>Tags</dt>
            <dd>{data.tags.join(', ')}</dd>
          </>
        )}
        {quality.checks.length > 0 && (
          <>
            <dt>Checked by</dt>
            <dd>
              {quality.checks.map(({ processor: check }) => (
                <a key={check} href={toQuality({ processor: `${data.flow}/${check}` })}>
                  {check}
                </a>
              ))}
            </dd>
          </>
        )}
      </dl>
      {data.query !== null && <Query text={data.query} />}
      <Fields data={data} />
      <Sample data={data} />
      <Origins data={data} />
      <Section level={2} title="Take it along">
        <div class="choices">
          {EXPORTS.map(([format, text]) => (
            <a
              key={format}
              class="button"
              href={`${ROOT}/datasets${path(data.flow, data.processor)}/export?format=${format}`}
              download
            >
              {text}
            </a>
          ))}
        </div>
      </Section>
    </>
  );
}

function Query({ text }: { text: string }) {
  const [copied, setCopied] = useState('');
  const copy = () => {
    // Not everywhere a page may write there: then the text can still be marked.
    const done = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error('no clipboard'));
    done.then(
      () => setCopied('Copied'),
      () => setCopied('This browser does not allow it: mark the text'),
    );
  };
  return (
    <Section level={2} title="Look at it">
      <div class="query">
        <pre tabIndex={0} aria-label="A command for a shell">
          {text}
        </pre>
        <button class="button" onClick={copy}>
          Copy
        </button>
      </div>
      <p class="quiet" role="status">
        {copied}
      </p>
    </Section>
  );
}

function Fields({ data }: { data: DatasetDetail }) {
  const aside =
    (data.record === null ? 'nothing is declared' : `declared as ${data.record}`) +
    (data.looked_at > 0 ? `; ${plural(data.looked_at, 'record')} looked at` : '');
  if (data.fields.length === 0)
    return (
      <Section level={2} title="Fields" aside={aside}>
        <p class="quiet">Once data passes, its fields are listed here.</p>
      </Section>
    );
  return (
    <Section level={2} title="Fields" aside={aside}>
      <div class="table stacks" tabIndex={0} role="region" aria-label="Fields">
        <table>
          <thead>
            <tr>
              <th>Field</th>
              <th>Declared</th>
              <th>Unit</th>
              <th>Seen</th>
              <th class="right">Present</th>
              <th>Description</th>
            </tr>
          </thead>
          <tbody>
            {data.fields.map(field => (
              <tr key={field.name}>
                <td class="whole">
                  <code>{field.name}</code>
                  {field.sensitive && <small> sensitive</small>}
                </td>
                <td data-label="Declared">{declared(field)}</td>
                <td data-label="Unit">{field.unit === '' ? <span class="quiet">–</span> : field.unit}</td>
                <td data-label="Seen">{seen(field)}</td>
                <td class="right" data-label="Present">
                  {precise(field.seen.present)}
                </td>
                <td class="where whole">{field.description}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

function declared(field: DatasetField): string {
  if (!field.declared || field.type === null) return 'no';
  return `${field.type}${field.format === '' ? '' : ` (${field.format})`}${field.required ? ', required' : ''}`;
}

function seen(field: DatasetField): string {
  const types = Object.entries(field.seen.types).sort((a, b) => b[1] - a[1]);
  if (types.length === 0) return '–';
  if (types.length === 1) return types[0]?.[0] ?? '';
  return types.map(([type, times]) => `${type} ${count(times)}`).join(', ');
}

function Sample({ data }: { data: DatasetDetail }) {
  const rows = data.sample ?? [];
  if (rows.length === 0)
    return (
      <Section level={2} title="Sample">
        <p class="quiet">Once data passes, a few records stand here.</p>
      </Section>
    );
  const names = [...new Set(rows.flatMap(row => Object.keys(row)))];
  return (
    <Section level={2} title="Sample" aside={<Freshness time={data.sampled ?? null} />}>
      <div class="table" tabIndex={0} role="region" aria-label="Sample">
        <table class="sample">
          <thead>
            <tr>
              {names.map(name => (
                <th key={name} class={rows.every(row => typeof row[name] === 'number') ? 'right' : ''}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, index) => (
              <tr key={index}>
                {names.map(name => (
                  <td key={name} class={typeof row[name] === 'number' ? 'right' : ''}>
                    {cell(row[name])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

function cell(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function Origins({ data }: { data: DatasetDetail }) {
  const drawn = useMemo(() => layoutOrigins(data), [data.id, data.steps.length]);
  return (
    <Section level={2} title="Where it comes from" aside={plural(data.origins.length, 'source')}>
      <div class="lineage-box" tabIndex={0} role="region" aria-label="From its sources, from left to right">
        <div class="lineage-graph" style={{ width: `${drawn.width}px`, height: `${drawn.height}px` }}>
          <svg width={drawn.width} height={drawn.height} aria-hidden="true">
            {drawn.paths.map((line, index) => (
              <g key={index} class="lineage-edge">
                <path d={line} />
              </g>
            ))}
          </svg>
          {drawn.steps.map(step => (
            <a
              key={step.name}
              class={`lineage-node step ${step.role}`}
              href={toProcessor(data.flow, step.name)}
              style={{ left: `${step.x}px`, top: `${step.y}px`, width: `${STEP_WIDTH}px`, height: `${STEP_HEIGHT}px` }}
            >
              <b>{step.name}</b>
              {step.role !== 'step' && <small>{step.role === 'source' ? 'source' : 'this dataset'}</small>}
            </a>
          ))}
        </div>
      </div>
      <ul class="origin-list">
        {data.origins.map(origin => (
          <li key={origin.processor}>
            <a href={toProcessor(data.flow, origin.processor)}>{origin.processor}</a>{' '}
            <code>
              {origin.location}
              {origin.name !== '' && origin.name !== origin.location ? ` ${origin.name}` : ''}
            </code>
            {origin.description !== '' && <small> {origin.description}</small>}
          </li>
        ))}
      </ul>
    </Section>
  );
}
