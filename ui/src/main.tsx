import { render } from 'preact';
import './styles/base.css';
import './styles/shell.css';
import './styles/flow.css';
import './styles/panel.css';
import './styles/pages.css';
import './styles/edit.css';
import { start } from './app';
import { Shell } from './views/shell';

start();
const root = document.getElementById('app');
if (root !== null) render(<Shell />, root);
