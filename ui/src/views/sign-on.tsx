import { useState } from 'preact/hooks';
import { live, signingOn, store } from '../app';
import { post } from '../api/client';
import { Icon } from '../parts/icon';
import { useAction } from '../parts/use-action';

/** Asks for the token that a Weir beyond loopback wants; the browser then keeps a cookie that no script can read. */
export function SignOn() {
  const [token, setToken] = useState('');
  const { busy, error, run } = useAction();
  const submit = async (event: Event) => {
    event.preventDefault();
    if (!(await run(() => post('/session', { token: token.trim() })))) return;
    signingOn.value = false;
    live.signedOn();
  };
  return (
    <form class="empty sign-on" onSubmit={event => void submit(event)}>
      <h1>Who is there?</h1>
      <p>
        This Weir shows itself to those who have a token. <code>weir token add</code>, on its machine, makes one.
      </p>
      <label>
        Token
        <input
          type="password"
          autocomplete="current-password"
          value={token}
          onInput={event => setToken(event.currentTarget.value)}
          required
        />
      </label>
      <button class="button primary" disabled={busy || token.trim() === ''}>
        Sign on
      </button>
      {error !== '' && (
        <p class="callout bad" role="alert">
          <Icon name="warning" />
          <span>{error}</span>
        </p>
      )}
    </form>
  );
}

/** Who is at the page, where that makes a difference. */
export function Who() {
  const { error, run } = useAction();
  const session = store.session.value;
  if (session === null || (session.name === '' && session.role === 'operator')) return null;
  if (session.name === '')
    return (
      <button class="button who" onClick={() => (signingOn.value = true)} title="You may look, and change nothing">
        Sign on
      </button>
    );
  const off = async () => {
    if (await run(() => post('/session/end'))) live.signedOn();
  };
  return (
    <button class="button who" onClick={() => void off()} title={error || `${session.name}, ${session.role}: sign off`}>
      {session.name}
    </button>
  );
}
