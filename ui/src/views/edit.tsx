// A flow's source: changed, checked, looked over and applied.
import { useEffect, useRef, useState } from 'preact/hooks';
import { live, store } from '../app';
import { ApiError, get, path, post } from '../api/client';
import { lineCount, problemBounds } from '../model/edit';
import { plural } from '../model/format';
import { flowRoute, formatRoute } from '../model/route';
import type { ChangedValue, Checked, Difference, FlowSource, Problem } from '../model/types';
import { Icon } from '../parts/icon';

/** Processors end their sessions and start: that takes what it takes. */
const APPLY_TIMEOUT = 150_000;

type Busy = '' | 'reading' | 'checking' | 'applying';

export function EditView({ flow }: { flow: string }) {
  const where = path('flows', flow);
  const [source, setSource] = useState<FlowSource | null>(null);
  const [text, setText] = useState('');
  const [checked, setChecked] = useState<Checked | null>(null);
  const [reviewing, setReviewing] = useState(false);
  const [busy, setBusy] = useState<Busy>('reading');
  const [error, setError] = useState('');
  const [done, setDone] = useState('');
  const area = useRef<HTMLTextAreaElement>(null);
  const changed = source !== null && text !== source.text;

  const work = async (what: Busy, doIt: () => Promise<void>) => {
    setBusy(what);
    setError('');
    setDone('');
    try {
      await doIt();
    } catch (failure) {
      const body = failure instanceof ApiError ? (failure.body as Checked | null) : null;
      if (body?.problems?.length) setChecked(body);
      setReviewing(false);
      setError(
        failure instanceof ApiError ? failure.message : 'Weir does not answer. Look at the flow before you go on.',
      );
    } finally {
      setBusy('');
    }
  };
  const read = () =>
    work('reading', async () => {
      const found = await get<FlowSource>(`${where}/source`);
      setSource(found);
      setText(found.text);
      setChecked(null);
      setReviewing(false);
    });
  useEffect(() => void read(), [where]);
  useEffect(() => {
    if (!changed) return;
    const keep = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', keep);
    return () => window.removeEventListener('beforeunload', keep);
  }, [changed]);

  const edit = (now: string) => {
    setText(now);
    setChecked(null);
    setReviewing(false);
    setDone('');
  };
  const validate = () => work('checking', async () => setChecked(await post<Checked>(`${where}/validate`, { text })));
  const review = () =>
    work('checking', async () => {
      const base = source?.hash ?? '';
      setChecked(await post<Checked>(`${where}/apply`, { text, base, dry_run: true }));
      setReviewing(true);
    });
  const apply = () =>
    work('applying', async () => {
      const answer = await post<Checked>(`${where}/apply`, { text, base: source?.hash ?? '' }, APPLY_TIMEOUT);
      await read();
      live.refresh();
      setDone(answer.outcome === 'unchanged' ? 'This is what runs.' : 'Applied: it runs, and its file has it.');
    });
  const show = ({ line, column, length }: Problem) => {
    const box = area.current;
    if (box === null) return;
    box.focus();
    box.setSelectionRange(...problemBounds(text, line, column, length));
    box.scrollTop = (line - 4) * parseFloat(getComputedStyle(box).lineHeight);
  };

  const back = formatRoute(flowRoute(flow));
  if (source === null)
    return (
      <div class="page">
        <h1>Edit {flow}</h1>
        {busy !== '' ? <p class="quiet">Reading…</p> : <Failure text={error} />}
        <a href={back}>Back to the flow</a>
      </div>
    );
  const readOnly = store.session.value?.role === 'viewer' || busy === 'applying';
  return (
    <div class="page edit" aria-busy={busy !== ''}>
      <h1>Edit {flow}</h1>
      <p class="about">
        <code>{source.file}</code> · <a href={back}>Back to the flow</a>
      </p>
      {!source.writable && (
        <p class="callout warn">
          <Icon name="warning" />
          <span>{source.why_not}</span>
        </p>
      )}
      <Editor text={text} area={area} problems={checked?.problems ?? []} readOnly={readOnly} onEdit={edit} />
      <div class="controls">
        <div role="group" aria-label="What to do with the text">
          <button class="button" disabled={busy !== ''} onClick={() => void validate()}>
            Validate
          </button>
          <button class="button" disabled={busy !== '' || !changed} onClick={() => void review()}>
            Review
          </button>
          <button
            class="button primary"
            disabled={busy !== '' || !reviewing || checked?.writable === false}
            onClick={() => void apply()}
          >
            Apply
          </button>
          <button class="button" disabled={busy !== ''} onClick={() => void read()}>
            {changed ? 'Discard my changes' : 'Read again'}
          </button>
        </div>
        <p class="quiet" role="status">
          {busy === 'checking' && 'Checking…'}
          {busy === 'applying' && 'Applying: what changes comes to an end, and starts anew…'}
          {done}
        </p>
      </div>
      {error !== '' && <Failure text={error} />}
      {checked !== null && <Problems checked={checked} onShow={show} />}
      {reviewing && checked?.difference != null && (
        <>
          {checked.why_not !== undefined && checked.why_not !== '' && <Failure text={checked.why_not} />}
          <Review difference={checked.difference} />
        </>
      )}
    </div>
  );
}

function Failure({ text }: { text: string }) {
  return (
    <p class="callout bad" role="alert">
      <Icon name="warning" />
      <span>{text}</span>
    </p>
  );
}

function Editor(props: {
  text: string;
  area: { current: HTMLTextAreaElement | null };
  problems: Problem[];
  readOnly: boolean;
  onEdit: (text: string) => void;
}) {
  const gutter = useRef<HTMLOListElement>(null);
  const marked = new Map(props.problems.map(problem => [problem.line, problem.severity]));
  return (
    <div class="editor">
      <ol class="gutter" ref={gutter} aria-hidden="true">
        {Array.from({ length: lineCount(props.text) }, (_, index) => (
          <li key={index} class={marked.get(index + 1) ?? ''}>
            {index + 1}
          </li>
        ))}
      </ol>
      <textarea
        ref={props.area}
        aria-label="The flow's YAML"
        spellcheck={false}
        autocapitalize="off"
        wrap="off"
        value={props.text}
        readOnly={props.readOnly}
        onInput={event => props.onEdit(event.currentTarget.value)}
        onScroll={event => {
          if (gutter.current !== null) gutter.current.scrollTop = event.currentTarget.scrollTop;
        }}
      />
    </div>
  );
}

function Problems({ checked, onShow }: { checked: Checked; onShow: (problem: Problem) => void }) {
  if (checked.problems.length === 0)
    return (
      <p class="quiet" role="status">
        The flow is right.
      </p>
    );
  const errors = checked.problems.filter(({ severity }) => severity === 'error').length;
  return (
    <section aria-label="Problems">
      <h2>{errors > 0 ? plural(errors, 'error') : plural(checked.problems.length, 'warning')}</h2>
      <ul class="problems">
        {checked.problems.map((problem, index) => (
          <li key={index} class={problem.severity === 'error' ? 'bad' : 'warn'}>
            <button onClick={() => onShow(problem)}>
              Line {problem.line}, column {problem.column}
            </button>
            <span>
              {problem.message}
              {problem.nearest !== '' && `; did you mean '${problem.nearest}'?`}
              {problem.expected !== '' && <small> expected: {problem.expected}</small>}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

const REACH = {
  restart: 'is started anew',
  outputs: 'works on; what it puts out goes elsewhere',
  text: 'works on',
};

function Review({ difference }: { difference: Difference }) {
  return (
    <section aria-label="What changes" class="review">
      <h2>{difference.empty ? 'Only the text changes, nothing in what runs' : difference.summary}</h2>
      <Values values={difference.values} />
      <ul>
        {difference.processors.map(({ kind, name, reach, values }) => (
          <li key={name} class={kind}>
            <strong>{name}</strong> <small>{kind === 'changed' ? REACH[reach] : `processor ${kind}`}</small>
            <Values values={values} />
          </li>
        ))}
        {difference.connections.map(({ kind, id, values }) => (
          <li key={id} class={kind}>
            <code>{id}</code>{' '}
            <small>{kind === 'removed' ? 'removed; what is queued there stays on disk' : `connection ${kind}`}</small>
            <Values values={values} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Values({ values }: { values: ChangedValue[] }) {
  if (values.length === 0) return null;
  return (
    <dl class="changed">
      {values.map(({ what, before, after }) => (
        <div key={what}>
          <dt>{what}</dt>
          <dd>
            {before !== '' && <del>{before}</del>} {after !== '' && <ins>{after}</ins>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
