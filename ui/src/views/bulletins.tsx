import { useState } from 'preact/hooks';
import { now, store } from '../app';
import { ago, clock } from '../model/format';
import { formatRoute, toBulletins, toProcessor } from '../model/route';
import type { Bulletin } from '../model/types';
import { Section } from '../parts/facts';
import { usePolled } from '../parts/use-polled';
import { FlowHistory } from './history';

const LEVELS = ['error', 'warning', 'info'] as const;
const MOST = 200;
/** Of so many flows the last day is drawn: more would hide what is said below. */
const CHARTS = 3;
type Level = (typeof LEVELS)[number];

/** What was told, of one flow or of all. */
export function BulletinsView({ flow }: { flow: string | null }) {
  const [level, setLevel] = useState<Level>('info');
  const flows = store.flows.value;
  const all = useBulletins(flow);
  const most = LEVELS.indexOf(level);
  const shown = all.filter(bulletin => bulletin.level !== 'debug' && LEVELS.indexOf(bulletin.level) <= most).reverse();
  return (
    <section class="page">
      <header class="page-head">
        <h1>Bulletins</h1>
        {store.session.value?.role === 'operator' && (
          <a class="aside" href={formatRoute({ view: 'audit' })}>
            Who changed what
          </a>
        )}
        {(flows.length > 1 || flow !== null) && (
          <label>
            <span class="hidden">Flow</span>
            <select
              class="choice"
              value={flow ?? ''}
              onChange={event => (location.hash = toBulletins(event.currentTarget.value || null))}
            >
              <option value="">all flows</option>
              {[...new Set([...flows.map(({ name }) => name), ...(flow === null ? [] : [flow])])].map(name => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
        <div class="segments" role="group" aria-label="Show">
          {LEVELS.map(one => (
            <button key={one} aria-pressed={level === one} onClick={() => setLevel(one)}>
              {{ error: 'Errors', warning: 'and warnings', info: 'and notices' }[one]}
            </button>
          ))}
        </div>
      </header>
      {store.session.value !== null &&
        flows
          .filter(({ name }) => flow === null || name === flow)
          .slice(0, CHARTS)
          .map(one => <FlowHistory key={one.name} flow={one} />)}
      {store.phase.value === 'loading' ? (
        <p class="quiet" role="status">
          Reading…
        </p>
      ) : shown.length === 0 ? (
        <div class="empty">
          <h2>{all.length === 0 ? 'Nothing was reported' : 'Nothing of this level was reported'}</h2>
          <p>
            Here stands what Weir has to tell an operator: what cannot work, what waits for a far side, what failed.
          </p>
        </div>
      ) : (
        <ol class="bulletins">
          {shown.map(bulletin => (
            <BulletinItem key={bulletin.id} bulletin={bulletin} place={placeOf(bulletin, flow)} />
          ))}
        </ol>
      )}
      {store.session.value !== null && <Earlier most={most} flow={flow} />}
    </section>
  );
}

/** The latest; of a flow that is quiet among louder ones, also those that the page does not keep. */
function useBulletins(flow: string | null): readonly Bulletin[] {
  const kept = store.bulletins.value;
  const ask = flow !== null && store.session.value !== null;
  const { data } = usePolled<Bulletin[]>(ask ? `/bulletins?flow=${encodeURIComponent(flow)}&limit=${MOST}` : null, 0);
  if (flow === null) return kept;
  const first = kept[0]?.id ?? Infinity;
  return [...(data ?? []).filter(({ id }) => id < first), ...kept.filter(bulletin => bulletin.flow === flow)];
}

/** With several flows, whose processor it is. */
function placeOf({ flow, processor }: Bulletin, chosen: string | null): string {
  return chosen === null && store.flows.value.length > 1 ? `${flow}/${processor}` : processor;
}

/** What was told before this start, and survived it: why it ended, perhaps. */
function Earlier({ most, flow }: { most: number; flow: string | null }) {
  const of = flow === null ? '' : `&flow=${encodeURIComponent(flow)}`;
  const { data } = usePolled<Bulletin[]>(`/bulletins?earlier=true&limit=${MOST}${of}`, 0);
  const shown = data?.filter(({ level }) => level !== 'debug' && LEVELS.indexOf(level) <= most).reverse() ?? [];
  if (shown.length === 0) return null;
  return (
    <Section level={2} title="Before the last start">
      <ol class="bulletins">
        {shown.map(bulletin => (
          <BulletinItem key={bulletin.id} bulletin={bulletin} place={placeOf(bulletin, flow)} />
        ))}
      </ol>
    </Section>
  );
}

/** `place`: how its processor is named; without it, one knows. */
export function BulletinItem({ bulletin, place }: { bulletin: Bulletin; place?: string }) {
  const time = Date.parse(bulletin.time);
  return (
    <li class={`bulletin ${bulletin.level}`}>
      <time dateTime={bulletin.time} title={ago(time, now.value)}>
        {clock(time, now.value)}
      </time>
      <span class="level">{bulletin.level}</span>
      {place !== undefined && bulletin.processor !== '' && (
        <a href={toProcessor(bulletin.flow, bulletin.processor)}>{place}</a>
      )}
      <p>{bulletin.message}</p>
    </li>
  );
}
