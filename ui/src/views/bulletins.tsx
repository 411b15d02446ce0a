import { useState } from 'preact/hooks';
import { now, store } from '../app';
import { ago, clock } from '../model/format';
import { formatRoute, toProcessor } from '../model/route';
import type { Bulletin } from '../model/types';
import { Section } from '../parts/facts';
import { usePolled } from '../parts/use-polled';
import { FlowHistory } from './history';

const LEVELS = ['error', 'warning', 'info'] as const;
/** Of so many flows the last day is drawn: more would hide what is said below. */
const CHARTS = 3;
type Level = (typeof LEVELS)[number];

export function BulletinsView() {
  const [level, setLevel] = useState<Level>('info');
  const all = store.bulletins.value;
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
        <div class="segments" role="group" aria-label="Show">
          {LEVELS.map(one => (
            <button key={one} aria-pressed={level === one} onClick={() => setLevel(one)}>
              {{ error: 'Errors', warning: 'and warnings', info: 'and notices' }[one]}
            </button>
          ))}
        </div>
      </header>
      {store.session.value !== null &&
        store.flows.value.slice(0, CHARTS).map(flow => <FlowHistory key={flow.name} flow={flow} />)}
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
            <BulletinItem key={bulletin.id} bulletin={bulletin} place />
          ))}
        </ol>
      )}
      {store.session.value !== null && <Earlier most={most} />}
    </section>
  );
}

/** What was told before this start, and survived it: why it ended, perhaps. */
function Earlier({ most }: { most: number }) {
  const { data } = usePolled<Bulletin[]>('/bulletins?earlier=true&limit=200', 0);
  const shown = data?.filter(({ level }) => level !== 'debug' && LEVELS.indexOf(level) <= most).reverse() ?? [];
  if (shown.length === 0) return null;
  return (
    <Section level={2} title="Before the last start">
      <ol class="bulletins">
        {shown.map(bulletin => (
          <BulletinItem key={bulletin.id} bulletin={bulletin} place />
        ))}
      </ol>
    </Section>
  );
}

export function BulletinItem({ bulletin, place }: { bulletin: Bulletin; place: boolean }) {
  const time = Date.parse(bulletin.time);
  return (
    <li class={`bulletin ${bulletin.level}`}>
      <time dateTime={bulletin.time} title={ago(time, now.value)}>
        {clock(time, now.value)}
      </time>
      <span class="level">{bulletin.level}</span>
      {place && bulletin.processor !== '' && (
        <a href={toProcessor(bulletin.flow, bulletin.processor)}>{bulletin.processor}</a>
      )}
      <p>{bulletin.message}</p>
    </li>
  );
}
