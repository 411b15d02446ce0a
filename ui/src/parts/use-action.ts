import { useState } from 'preact/hooks';
import { live } from '../app';
import { ApiError } from '../api/client';

export interface Action {
  busy: boolean;
  error: string;
  /** Runs one at a time; what goes wrong is kept in `error`, until the next one. */
  run: (work: () => Promise<unknown>) => Promise<boolean>;
}

export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const run = async (work: () => Promise<unknown>) => {
    setBusy(true);
    setError('');
    try {
      await work();
      live.refresh();
      return true;
    } catch (failure) {
      setError(failure instanceof ApiError ? failure.message : 'Weir does not answer. Nothing may have happened.');
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, run };
}
