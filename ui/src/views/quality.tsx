// How good the data is: by sensor, the worst first; of one of them, its course and what failed which rule.
import { useEffect, useState } from 'preact/hooks';
import { navigate, now } from '../app';
import { path } from '../api/client';
import { ago, clock, count, duration, plural, rate } from '../model/format';
import { linesOf, precise } from '../model/quality';
import { toProcessor, toProvenance, toQuality } from '../model/route';
import type { FlaggedRule, QualityDetail, QualityKey, QualityPage, QualityProcessor } from '../model/types';
import { Chart } from '../parts/chart';
import { Fact, Section } from '../parts/facts';
import { Score, Trend } from '../parts/trend';
import { usePolled } from '../parts/use-polled';

const REFRESH = 5000;
const PAGE = 100;
const HOURS = { '1': 'Last hour', '24': 'Last day' } as const;

/** What the address asks for: a range, a processor, a key. */
function asked(search: string) {
  const question = new URLSearchParams(search);
  return {
    hours: question.get('hours') === '1' ? 1 : 24,
    processor: question.get('processor') ?? '',
    key: question.get('key'),
    search: question.get('search') ?? '',
    after: Number(question.get('after') ?? '0') || 0,
  };
}

/** A moment that moves on each minute only, so that the same question is asked in between. */
function since(hours: number): string {
  const minute = Math.floor(now.value / 60_000) * 60_000;
  return new Date(minute - hours * 3600_000 + 60_000).toISOString();
}

export function QualityView({ search }: { search: string }) {
  const { processor, key } = asked(search);
  return key !== null && processor !== '' ? (
    <KeyPage key={`${processor} ${key}`} search={search} />
  ) : (
    <Overview search={search} />
  );
}

function again(search: string, changes: Record<string, string | null>): void {
  const question = new URLSearchParams(search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === '') question.delete(name);
    else question.set(name, value);
  }
  navigate({ view: 'quality', search: question.toString() });
}

function RangeChoice({ search }: { search: string }) {
  const { hours } = asked(search);
  return (
    <div class="segments" role="group" aria-label="Time">
      {Object.entries(HOURS).map(([value, text]) => (
        <button
          key={value}
          aria-pressed={String(hours) === value}
          onClick={() => again(search, { hours: value === '24' ? null : value, after: null })}
        >
          {text}
        </button>
      ))}
    </div>
  );
}

function Overview({ search }: { search: string }) {
  const wish = asked(search);
  const question = new URLSearchParams({ from: since(wish.hours), limit: String(PAGE), after: String(wish.after) });
  if (wish.processor !== '') question.set('processor', wish.processor);
  if (wish.search !== '') question.set('search', wish.search);
  const answer = usePolled<QualityPage>(`/quality?${question.toString()}`, REFRESH);
  // The question changes with the minute: what was seen stays until it is answered.
  const [page, setPage] = useState<QualityPage | null>(null);
  useEffect(() => {
    if (answer.data !== null) setPage(answer.data);
  }, [answer.data]);
  return (
    <section class="page">
      <header class="page-head">
        <h1>Quality</h1>
        <RangeChoice search={search} />
      </header>
      {answer.error !== '' && <p class="callout bad">{answer.error}</p>}
      {page === null ? (
        answer.error === '' && (
          <p class="quiet" role="status">
            Reading…
          </p>
        )
      ) : page.processors.length === 0 ? (
        <div class="empty">
          <h2>No quality is checked yet</h2>
          <p>
            Here stands how good the data of each sensor is, the worst first. A processor of the type QualityCheck finds
            that out, as soon as data passes it.
          </p>
        </div>
      ) : (
        <>
          <Checks processors={page.processors} chosen={wish.processor} search={search} />
          <Keys page={page} search={search} />
        </>
      )}
    </section>
  );
}

function Checks(props: { processors: QualityProcessor[]; chosen: string; search: string }) {
  return (
    <ul class="checks">
      {props.processors.map(each => {
        const name = `${each.flow}/${each.processor}`;
        return (
          <li key={name} class="check">
            <header>
              <h2>
                <a href={toProcessor(each.flow, each.processor)}>{name}</a>
              </h2>
              <Score good={each.good} n={each.n} />
            </header>
            <p class="quiet">
              {plural(each.n, 'record')} checked, {plural(each.keys, 'key')}
              {each.untracked > 0 && ` (and ${plural(each.untracked, 'record')} of keys beyond the thousand followed)`}
            </p>
            <Rules rules={each.rules} of={each.n} />
            {props.processors.length > 1 && (
              <button
                class="button"
                aria-pressed={props.chosen === name}
                onClick={() => again(props.search, { processor: props.chosen === name ? null : name, after: null })}
              >
                {props.chosen === name ? 'Show all' : 'Show only this'}
              </button>
            )}
          </li>
        );
      })}
    </ul>
  );
}

/** What was flagged by which rule, most first. */
function Rules({ rules, of }: { rules: FlaggedRule[]; of: number }) {
  if (rules.length === 0) return <p class="quiet">No rule flagged anything.</p>;
  const most = Math.max(1, ...rules.map(rule => rule.flagged));
  return (
    <ul class="rules">
      {rules.map(rule => (
        <li key={`${rule.field} ${rule.rule}`}>
          <span class="rule-name">
            {rule.field !== '' && <b>{rule.field}</b>} {rule.rule.replaceAll('_', ' ')}
          </span>
          <span class="rule-bar" aria-hidden="true">
            <i style={{ width: `${(100 * rule.flagged) / most}%` }} />
          </span>
          <span class="right">
            {count(rule.flagged)} <small>{of > 0 ? precise(rule.flagged / of) : ''}</small>
          </span>
        </li>
      ))}
    </ul>
  );
}

function Keys({ page, search }: { page: QualityPage; search: string }) {
  const wish = asked(search);
  const [text, setText] = useState(wish.search);
  const submit = (event: Event) => {
    event.preventDefault();
    again(search, { search: text.trim(), after: null });
  };
  return (
    <>
      <form class="question keys-question" onSubmit={submit} role="search">
        <label>
          Key, such as a sensor
          <input value={text} onInput={event => setText(event.currentTarget.value)} placeholder="part of its name" />
        </label>
        <button class="button">Find</button>
      </form>
      {page.keys.length === 0 ? (
        <p class="quiet">{wish.search === '' ? 'No key was seen yet.' : `No key has “${wish.search}” in its name.`}</p>
      ) : (
        <KeyTable keys={page.keys} hours={wish.hours} several={page.processors.length > 1} />
      )}
      <div class="pager">
        {wish.after > 0 && (
          <button class="button" onClick={() => again(search, { after: String(Math.max(0, wish.after - PAGE)) })}>
            Worse ones
          </button>
        )}
        {page.next_after !== null && (
          <button class="button" onClick={() => again(search, { after: String(page.next_after) })}>
            {`Better ones (${count(page.total - page.next_after)} more)`}
          </button>
        )}
      </div>
    </>
  );
}

function KeyTable({ keys, hours, several }: { keys: QualityKey[]; hours: number; several: boolean }) {
  return (
    <div class="table stacks" tabIndex={0} role="region" aria-label="Keys, the worst first">
      <table class="keys">
        <thead>
          <tr>
            <th>Key</th>
            <th>Good</th>
            <th>{HOURS[hours === 1 ? '1' : '24']}</th>
            <th class="right">Records</th>
            <th class="right">Suspect</th>
            <th class="right">Failed</th>
            <th class="right">Complete</th>
            <th class="right">Last value</th>
            <th>Flagged most by</th>
          </tr>
        </thead>
        <tbody>
          {keys.map(each => (
            <tr key={`${each.flow}/${each.processor} ${each.key}`}>
              <td class="whole">
                <a
                  href={toQuality({
                    processor: `${each.flow}/${each.processor}`,
                    key: each.key,
                    ...(hours === 1 ? { hours: '1' } : {}),
                  })}
                >
                  {each.key === '' ? '(no key)' : each.key}
                </a>
                {several && <small> {each.processor}</small>}
              </td>
              <td>
                <Score good={each.good} n={each.n} />
              </td>
              <td>
                <Trend shares={each.trend} />
              </td>
              <td class="right" data-label="Records">
                {count(each.n)}
              </td>
              <td class="right" data-label="Suspect">
                {count(each.suspect)}
              </td>
              <td class="right" data-label="Failed">
                {count(each.fail + each.missing)}
              </td>
              <td class="right" data-label="Complete">
                {precise(each.completeness)}
              </td>
              <td class="right" data-label="Last value">
                <Freshness time={each.last_value ?? each.last_judged} />
              </td>
              <td data-label="Flagged most by">
                {each.rules[0] === undefined
                  ? '–'
                  : `${each.rules[0].field} ${each.rules[0].rule.replaceAll('_', ' ')}`.trim()}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Freshness({ time }: { time: string | null }) {
  if (time === null) return <span class="quiet">–</span>;
  return (
    <time dateTime={time} title={clock(time, now.value)}>
      {ago(Date.parse(time), now.value)}
    </time>
  );
}

function KeyPage({ search }: { search: string }) {
  const wish = asked(search);
  const [flow = '', processor = ''] = wish.processor.split('/');
  const question = new URLSearchParams({ key: wish.key ?? '', from: since(wish.hours) });
  const answer = usePolled<QualityDetail>(`/quality${path(flow, processor)}?${question.toString()}`, REFRESH);
  const [data, setData] = useState<QualityDetail | null>(null);
  useEffect(() => {
    if (answer.data !== null) setData(answer.data);
  }, [answer.data]);
  return (
    <section class="page">
      <header class="page-head">
        <div>
          <p>
            <a href={toQuality(wish.hours === 1 ? { hours: '1' } : {})}>Quality</a>
          </p>
          <h1>{wish.key === '' ? '(no key)' : wish.key}</h1>
        </div>
        <RangeChoice search={search} />
      </header>
      {answer.error !== '' && <p class="callout bad">{answer.error}</p>}
      {data === null
        ? answer.error === '' && (
            <p class="quiet" role="status">
              Reading…
            </p>
          )
        : KeyFacts({ data, flow, processor })}
    </section>
  );
}

function KeyFacts({ data, flow, processor }: { data: QualityDetail; flow: string; processor: string }) {
  const { times, flagged } = linesOf(data.series);
  return (
    <>
      <dl class="facts event-facts">
        <Fact name="Good" value={precise(data.good)} detail={`of ${plural(data.n, 'record')}`} />
        <Fact name="Suspect" value={count(data.suspect)} detail="records" />
        <Fact
          name="Failed"
          value={count(data.fail + data.missing)}
          detail={data.missing > 0 ? `records, ${count(data.missing)} of them empty` : 'records'}
          tone={data.fail + data.missing > 0 ? 'bad' : ''}
        />
        <Fact
          name="Complete"
          value={precise(data.completeness)}
          detail={
            data.expected_seconds === null
              ? 'no gap rule says what to expect'
              : `of the time has a reading each ${duration(data.expected_seconds)}`
          }
        />
        <Fact name="Last value" value={<Freshness time={data.last_value ?? data.last_judged} />} />
      </dl>
      <div class="columns">
        <Section level={2} title="Over time" aside="records a second">
          {times.length < 2 ? (
            <p class="quiet">There is one interval so far: a line takes two.</p>
          ) : (
            <>
              <Chart
                label="Records that passed, a second"
                times={times}
                format={rate}
                lines={[{ name: 'passed', values: flagged['pass'] ?? [], tone: 'accent' }]}
              />
              <Chart
                label="Suspect and failed records, a second"
                times={times}
                format={rate}
                lines={[
                  { name: 'suspect', values: flagged['suspect'] ?? [], tone: 'text-2' },
                  { name: 'failed', values: flagged['fail'] ?? [], tone: 'bad' },
                ]}
              />
            </>
          )}
        </Section>
        <Section level={2} title="Rules" aside="records that each flagged">
          <Rules rules={data.rules} of={data.n} />
          <p class="links after">
            <a href={toProcessor(flow, processor)}>{`The processor ${processor}`}</a>
            <a href={toProvenance({ processor: `${flow}/${processor}` })}>Its events</a>
          </p>
        </Section>
      </div>
    </>
  );
}
