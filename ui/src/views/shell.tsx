// What surrounds every view: where one can go, whether the page is live, search and theme.
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { helping, live, navigate, now, route, searching, signingOn, store, theme, type Theme } from '../app';
import { ago } from '../model/format';
import { flowRoute, formatRoute, HOME, type Route } from '../model/route';
import { Dialog } from '../parts/dialog';
import { Icon, type IconName } from '../parts/icon';
import { lazily } from '../parts/lazily';
import { FlowView } from './flow';
import { Help } from './help';
import { SearchBox } from './search';
import { SignOn, Who } from './sign-on';

const AuditView = lazily(async () => (await import('./audit')).AuditView);
const BulletinsView = lazily(async () => (await import('./bulletins')).BulletinsView);
const DataView = lazily(async () => (await import('./data')).DataView);
const DatasetView = lazily(async () => (await import('./dataset')).DatasetView);
const DeadLettersView = lazily(async () => (await import('./dead-letters')).DeadLettersView);
const EditView = lazily(async () => (await import('./edit')).EditView);
const ProvenanceView = lazily(async () => (await import('./provenance')).ProvenanceView);
const LineageView = lazily(async () => (await import('./lineage')).LineageView);
const QualityView = lazily(async () => (await import('./quality')).QualityView);

export function Shell() {
  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
      if ((event.key === 'k' && (event.ctrlKey || event.metaKey)) || (event.key === '/' && !typing)) {
        event.preventDefault();
        searching.value = true;
      } else if (event.key === '?' && !typing) {
        helping.value = true;
      }
    };
    document.addEventListener('keydown', key);
    return () => document.removeEventListener('keydown', key);
  }, []);

  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <header class="bar">
        <a class="brand" href="#/" aria-label="Weir, the flow">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="7" />
            <path d="M5 12c4-4 7-4 11 0s7 4 11 0M5 21c4-4 7-4 11 0s7 4 11 0" />
          </svg>
          <span>Weir</span>
        </a>
        <FlowChoice />
        <nav class="views" aria-label="Views">
          <View name="flow" text="Flow" />
          {store.session.value !== null && <View name="data" text="Data" />}
          {store.session.value !== null && <View name="quality" text="Quality" />}
          {store.session.value !== null && <View name="provenance" text="Provenance" />}
          <View name="bulletins" text="Bulletins" badge={<BulletinBadge />} />
        </nav>
        <div class="tools">
          <Pulse />
          <Who />
          <button class="tool" onClick={() => (searching.value = true)} title="Search (/)" aria-label="Search">
            <Icon name="search" />
          </button>
          <ThemeButton />
          <button class="tool wide" onClick={() => (helping.value = true)} title="Keys (?)" aria-label="Keys">
            <Icon name="help" />
          </button>
        </div>
      </header>
      <ConnectionBanner />
      <main id="main" tabIndex={-1}>
        <Content />
      </main>
      {searching.value && <SearchBox />}
      {helping.value && <Help />}
      {signingOn.value && (
        <Dialog label="Sign on" onClose={() => (signingOn.value = false)}>
          <SignOn />
        </Dialog>
      )}
    </div>
  );
}

function skip(event: Event): void {
  event.preventDefault(); // the hash is the page's own
  document.getElementById('main')?.focus();
}

function Content() {
  const place = route.value;
  if (store.phase.value === 'locked') return <SignOn />;
  if (place.view === 'bulletins') return <BulletinsView key={place.flow} flow={place.flow} />;
  if (place.view === 'audit') return <AuditView />;
  if (place.view === 'dead-letters') return <DeadLettersView key={place.flow} flow={place.flow} />;
  if (place.view === 'provenance') return <ProvenanceView search={place.search} />;
  if (place.view === 'quality') return <QualityView search={place.search} />;
  if (place.view === 'data') return <DataView />;
  if (place.view === 'dataset')
    return <DatasetView key={`${place.flow}/${place.processor}`} flow={place.flow} processor={place.processor} />;
  if (place.view === 'edit') return <EditView key={place.flow} flow={place.flow} />;
  if (place.view === 'lineage') return <LineageView key={place.flowfile} flowfile={place.flowfile} />;
  if (place.view === 'unknown')
    return (
      <div class="empty">
        <h1>There is no such page</h1>
        <p>The address does not lead anywhere. It may be from another version of Weir.</p>
        <a class="button" href="#/">
          To the flow
        </a>
      </div>
    );
  return <FlowView name={place.flow} selection={place.selection} />;
}

const VIEWS: Record<'flow' | 'data' | 'quality' | 'provenance' | 'bulletins', Route> = {
  flow: HOME,
  data: { view: 'data' },
  quality: { view: 'quality', search: '' },
  provenance: { view: 'provenance', search: '' },
  bulletins: { view: 'bulletins', flow: null },
};

function View(props: { name: keyof typeof VIEWS; text: string; badge?: ComponentChildren }) {
  const { view } = route.value;
  const current =
    view === props.name ||
    (view === 'lineage' && props.name === 'provenance') ||
    (view === 'dataset' && props.name === 'data') ||
    ((view === 'edit' || view === 'dead-letters') && props.name === 'flow') ||
    (view === 'audit' && props.name === 'bulletins');
  const href = formatRoute(VIEWS[props.name]);
  return (
    <a href={href} aria-current={current ? 'page' : undefined}>
      {props.text}
      {props.badge}
    </a>
  );
}

function BulletinBadge() {
  const recent = store.bulletins.value.filter(
    bulletin => bulletin.level === 'error' && now.value - Date.parse(bulletin.time) < 3600_000,
  ).length;
  if (recent === 0) return null;
  return (
    <span class="badge bad" title="Errors in the last hour">
      {recent > 99 ? '99+' : recent}
    </span>
  );
}

function FlowChoice() {
  const flows = store.flows.value;
  if (flows.length < 2) return null;
  const place = route.value;
  const chosen =
    place.view === 'flow' || place.view === 'edit' || place.view === 'dead-letters' || place.view === 'bulletins'
      ? store.flow(place.flow)?.name
      : flows[0]?.name;
  return (
    <select
      class="choice"
      aria-label="Flow"
      value={chosen ?? ''}
      onChange={event => navigate(flowRoute(event.currentTarget.value))}
    >
      {flows.map(flow => (
        <option key={flow.name} value={flow.name}>
          {flow.name}
        </option>
      ))}
    </select>
  );
}

/** Whether what is shown is the present. */
function Pulse() {
  const phase = store.phase.value;
  const text = { loading: 'connecting', live: 'live', lost: 'no connection', failed: 'error', locked: 'signed off' }[
    phase
  ];
  return (
    <span class={`pulse ${phase}`} role="status">
      <i aria-hidden="true" />
      {text}
    </span>
  );
}

function ConnectionBanner() {
  const phase = store.phase.value;
  if (phase !== 'lost' && phase !== 'failed') return null;
  const heard = store.heard.value;
  const since = heard === 0 ? 'It has not answered yet.' : `What you see is from ${ago(heard, now.value)}.`;
  return (
    <div class="banner" role="alert">
      <Icon name="warning" />
      <span>
        <strong>
          {phase === 'lost' ? 'Weir does not answer.' : `Weir answers with an error: ${store.problem.value}`}
        </strong>{' '}
        {since} Trying again.
      </span>
      <button onClick={() => live.refresh()}>Try now</button>
    </div>
  );
}

const THEMES: Record<Theme, { next: Theme; icon: IconName; text: string }> = {
  system: { next: 'light', icon: 'system', text: 'Theme: as the system' },
  light: { next: 'dark', icon: 'sun', text: 'Theme: light' },
  dark: { next: 'system', icon: 'moon', text: 'Theme: dark' },
};

function ThemeButton() {
  const { next, icon, text } = THEMES[theme.value];
  return (
    <button class="tool" onClick={() => (theme.value = next)} title={text} aria-label={text}>
      <Icon name={icon} />
    </button>
  );
}
