import { render } from 'preact';
import './styles/base.css';
import './styles/shell.css';
import './styles/flow.css';
import './styles/panel.css';
import './styles/pages.css';
import './styles/edit.css';
import { start } from './app';
import { loadAll } from './parts/lazily';
import { Shell } from './views/shell';

/** A Weir that answers at once is drawn once, with the flow; of another the frame is seen meanwhile. In ms. */
const PATIENCE = 100;
/** By then the first view is on the screen. (Not every browser tells when it is idle.) */
const LATER = 2000;

const root = document.getElementById('app');
let drawn = false;
function draw(): void {
  if (drawn || root === null) return;
  drawn = true;
  render(<Shell />, root);
}

setTimeout(draw, PATIENCE);
void start().then(() => {
  draw();
  // What was not needed for the first view, so that it is there when it is: also if Weir is then not.
  setTimeout(() => void loadAll(), LATER);
});
