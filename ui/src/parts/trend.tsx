import { precise, toneOf, TONE_WORDS, trendPath } from '../model/quality';

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

/** A share of good records with how many it is of, and in a word how good that is. */
export function Score({ good, n }: { good: number | null; n: number }) {
  const tone = toneOf(good);
  if (good === null) return <span class="score off">not checked</span>;
  return (
    <span class={`score ${tone}`} title={`${n.toLocaleString('en')} records were checked in the last day`}>
      {precise(good)} <small>{TONE_WORDS[tone]}</small>
    </span>
  );
}
