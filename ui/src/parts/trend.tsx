import { precise, toneOf, trendPath } from '../model/quality';
import { Icon } from './icon';

/** How the share of good records went: full at the top, none at the bottom. */
export function Trend({
  shares,
  width = 120,
  height = 24,
}: {
  shares: (number | null)[];
  width?: number;
  height?: number;
}) {
  const known = shares.filter((share): share is number => share !== null);
  const tone = toneOf(known.length === 0 ? null : Math.min(...known));
  return (
    <svg class={`trend ${tone}`} width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <path class="floor" d={`M0,${height - 0.5}H${width}`} />
      <path class="line" d={trendPath(shares, width, height)} />
    </svg>
  );
}

/** The share of records that are good, and of how many; marked where that is too few. */
export function Score({ good, n }: { good: number | null; n: number }) {
  const tone = toneOf(good);
  if (good === null) return <span class="score off">not checked</span>;
  return (
    <span class={`score ${tone}`} title={`${n.toLocaleString('en')} records were checked in the last day`}>
      {tone !== 'good' && <Icon name="warning" />}
      {precise(good)} <small>good</small>
    </span>
  );
}
