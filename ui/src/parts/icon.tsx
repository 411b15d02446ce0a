// Icons, drawn with the text's colour. What they say is said in words beside them, or in a label.
const PATHS = {
  play: 'M5 3.5v9l7.5-4.5z',
  stop: 'M4 4h8v8H4z',
  step: 'M4 3.5v9l6-4.5zM11 3.5h2v9h-2z',
  warning: 'M8 2 15 14H1zM7.2 6.5v3.6h1.6V6.5zm0 4.6v1.5h1.6v-1.5z',
  check: 'M6.3 12.6 2 8.3l1.4-1.4 2.9 2.9 6.3-6.3L14 4.9z',
  dot: 'M8 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8z',
  ring: 'M8 3a5 5 0 1 1 0 10A5 5 0 0 1 8 3zm0 1.8a3.2 3.2 0 1 0 0 6.4 3.2 3.2 0 0 0 0-6.4z',
  close: 'M3.4 2 8 6.6 12.6 2 14 3.4 9.4 8l4.6 4.6-1.4 1.4L8 9.4 3.4 14 2 12.6 6.6 8 2 3.4z',
  search: 'M7 2a5 5 0 0 1 4 8l3.6 3.6-1.4 1.4L9.6 11.4A5 5 0 1 1 7 2zm0 1.8a3.2 3.2 0 1 0 0 6.4 3.2 3.2 0 0 0 0-6.4z',
  sun: 'M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM7.2 1h1.6v2.5H7.2zm0 11.5h1.6V15H7.2zM1 7.2h2.5v1.6H1zm11.5 0H15v1.6h-2.5zM2.5 3.6l1.1-1.1 1.8 1.8-1.1 1.1zm8.1 8.1 1.1-1.1 1.8 1.8-1.1 1.1zM2.5 12.4l1.8-1.8 1.1 1.1-1.8 1.8zm8.1-8.1 1.8-1.8 1.1 1.1-1.8 1.8z',
  moon: 'M6.5 2A6.2 6.2 0 1 0 14 9.6 5.2 5.2 0 0 1 6.5 2z',
  system: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zm0 1.7v8.6a4.3 4.3 0 0 0 0-8.6z',
  plus: 'M7.1 2.5h1.8v4.6h4.6v1.8H8.9v4.6H7.1V8.9H2.5V7.1h4.6z',
  minus: 'M2.5 7.1h11v1.8h-11z',
  fit: 'M2 2h4.5v1.7H3.7v2.8H2zm7.5 0H14v4.5h-1.7V3.7H9.5zM2 9.5h1.7v2.8h2.8V14H2zm10.3 0H14V14H9.5v-1.7h2.8z',
  turn: 'M3 2h1.7v6.2a2 2 0 0 0 2 2h3.6L8.5 8.4l1.2-1.2L13.5 11l-3.8 3.8-1.2-1.2 1.8-1.7H6.7A3.7 3.7 0 0 1 3 8.2z',
  help: 'M8 1.8a6.2 6.2 0 1 1 0 12.4A6.2 6.2 0 0 1 8 1.8zm0 1.6a4.6 4.6 0 1 0 0 9.2 4.6 4.6 0 0 0 0-9.2zm-.1 1.1c1.5 0 2.4.9 2.4 2 0 1-.6 1.5-1.1 1.9-.4.3-.5.5-.5.9v.2H7.3v-.3c0-1 .5-1.4 1-1.8.4-.3.6-.5.6-.9s-.3-.7-1-.7-1.1.4-1.1 1H5.3c0-1.4 1-2.3 2.6-2.3zM7.2 10.3h1.6v1.5H7.2z',
  arrow: 'M9 3.2 13.8 8 9 12.8l-1.2-1.2 2.8-2.8H2.2V7.2h8.4L7.8 4.4z',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, class: className = '' }: { name: IconName; class?: string }) {
  return (
    <svg class={`icon ${className}`} viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} fill-rule="evenodd" />
    </svg>
  );
}
