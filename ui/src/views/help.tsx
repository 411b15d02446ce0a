import { helping } from '../app';
import { Dialog } from '../parts/dialog';
import { Icon } from '../parts/icon';

const KEYS: [string, string][] = [
  ['/', 'search for a processor or a connection'],
  ['← → ↑ ↓', 'from the chosen processor to its neighbour'],
  ['Enter', 'open what has the focus'],
  ['Esc', 'close the panel'],
  ['+ −', 'nearer, farther'],
  ['0', 'the whole flow'],
  ['r', 'lay it out rightwards or downwards'],
  ['?', 'this list'],
];

export function Help() {
  const close = () => (helping.value = false);
  return (
    <Dialog label="Keys" class="help" onClose={close}>
      <header>
        <h2>Keys</h2>
        <button class="tool" onClick={close} aria-label="Close">
          <Icon name="close" />
        </button>
      </header>
      <dl>
        {KEYS.map(([key, text]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <p>
        The wheel zooms; drag to move. Lines are queues: they grow thicker and change colour as they fill. Dashed lines
        are where failures go.
      </p>
    </Dialog>
  );
}
