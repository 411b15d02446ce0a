import { useEffect, useState } from 'preact/hooks';
import { ApiError, get } from '../api/client';

export interface Polled<T> {
  data: T | null;
  /** Why there is none, or none newer. */
  error: string;
  status: number;
  again: () => void;
}

/** What the API answers at `where`, read again every `every` ms (0: once) while the page is looked at. */
export function usePolled<T>(where: string | null, every: number): Polled<T> {
  const [result, setResult] = useState<{ where: string | null; data: T | null; error: string; status: number }>({
    where,
    data: null,
    error: '',
    status: 0,
  });
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    if (where === null) return;
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let waits = false; // a page in a tab that nobody has looked at yet
    const read = async () => {
      waits = document.hidden;
      if (!waits) {
        try {
          const data = await get<T>(where);
          if (!over) setResult({ where, data, error: '', status: 200 });
        } catch (failure) {
          const status = failure instanceof ApiError ? failure.status : 0;
          const error = failure instanceof ApiError ? failure.message : 'Weir does not answer.';
          if (!over) setResult(before => ({ where, data: before.where === where ? before.data : null, error, status }));
        }
      }
      if (!over && every > 0) timer = setTimeout(() => void read(), every);
    };
    const seen = () => {
      if (!waits || document.hidden) return;
      clearTimeout(timer);
      void read();
    };
    document.addEventListener('visibilitychange', seen);
    void read();
    return () => {
      over = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [where, every, asked]);
  const current = result.where === where;
  return {
    data: current ? result.data : null,
    error: current ? result.error : '',
    status: current ? result.status : 0,
    again: () => setAsked(asked + 1),
  };
}
