import type { ComponentChildren } from 'preact';
import type { Series } from '../model/series';
import { Sparkline } from './sparkline';

/** A number with its name, and how it went. */
export function Fact(props: {
  name: string;
  value: ComponentChildren;
  detail?: ComponentChildren;
  series?: Series;
  most?: number;
  tone?: 'bad' | 'warn' | '';
}) {
  return (
    <div class={`fact ${props.tone ?? ''}`}>
      <dt>{props.name}</dt>
      <dd>
        <span class="value">{props.value}</span>
        {props.detail !== undefined && <small>{props.detail}</small>}
      </dd>
      {props.series !== undefined && (
        <dd class="chart">
          <Sparkline
            series={props.series}
            width={170}
            height={28}
            {...(props.most === undefined ? {} : { most: props.most })}
            {...(props.tone === undefined ? {} : { tone: props.tone })}
          />
        </dd>
      )}
    </div>
  );
}

/** In a panel, whose own title is the page's second level, or (`level` 2) on a page of its own. */
export function Section(props: {
  title: string;
  level?: 2 | 3;
  aside?: ComponentChildren;
  children: ComponentChildren;
}) {
  const Title = props.level === 2 ? 'h2' : 'h3';
  return (
    <section class="section">
      <Title>
        {props.title}
        {props.aside !== undefined && <small>{props.aside}</small>}
      </Title>
      {props.children}
    </section>
  );
}

/** A queue's fullness as a bar. */
export function Meter({ share, label }: { share: number; label: string }) {
  const value = Math.min(1, Math.max(0, share));
  return (
    <span
      class={`meter ${value >= 0.8 ? 'full' : value >= 0.4 ? 'filling' : ''}`}
      role="meter"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(value * 100)}
      aria-label={label}
    >
      <i style={{ width: `${value * 100}%` }} />
    </span>
  );
}
