// What passes on a connection, as it does: a few FlowFiles a second of however many.
import { useEffect, useState } from 'preact/hooks';
import { ROOT } from '../api/client';
import { count } from '../model/format';
import type { ConnectionModel } from '../model/store';
import type { QueuedFlowFile } from '../model/types';
import { Section } from '../parts/facts';
import { FlowFileRow } from '../parts/flowfile-row';
import { LaneChooser, useLane } from '../parts/lanes';
import { connectionPath } from './queue';

/** A second: as many as one can follow. */
const RATE = 2;
const SHOWN = 10;

type Passing = QueuedFlowFile & { passed: number };

interface Tapped {
  flowfiles: Passing[];
  passed: number;
  over: '' | 'ended' | 'broken';
}

const NOTHING: Tapped = { flowfiles: [], passed: 0, over: '' };

export function Tap({ connection }: { connection: ConnectionModel }) {
  const [watching, setWatching] = useState(false);
  const [opened, setOpened] = useState<string | null>(null);
  const [tapped, setTapped] = useState<Tapped>(NOTHING);
  const lane = useLane(connection.flow, true);
  const where = `${ROOT}${connectionPath(connection)}/tap?rate=${RATE}${lane.query ?? ''}`;
  useEffect(() => {
    if (!watching) return;
    const events = new EventSource(where);
    const end = (over: Tapped['over']) => {
      events.close(); // else the browser would begin anew
      setTapped(before => ({ ...before, over }));
      setWatching(false);
    };
    events.addEventListener('flowfile', event => {
      const file = JSON.parse((event as MessageEvent<string>).data) as Passing;
      setTapped(before => ({
        ...before,
        flowfiles: [file, ...before.flowfiles].slice(0, SHOWN),
        passed: file.passed,
      }));
    });
    events.addEventListener('end', () => end('ended'));
    events.onerror = () => end('broken');
    return () => events.close();
  }, [watching, where]);

  const forget = () => {
    setTapped(NOTHING);
    setOpened(null);
  };
  const begin = () => {
    forget();
    setWatching(true);
  };
  const choose = (name: string) => {
    forget();
    lane.choose(name);
  };
  const { flowfiles, passed, over } = tapped;
  // What is read stays where it is while others come.
  const held = opened === null ? flowfiles : flowfiles.filter(file => file.flowfile === opened);
  return (
    <Section title="What passes" aside={passed > 0 ? `${count(passed)} FlowFiles since you look` : undefined}>
      <LaneChooser choice={{ ...lane, choose }} />
      <div class="controls">
        <div>
          {watching ? (
            <button class="button" onClick={() => setWatching(false)}>
              Stop watching
            </button>
          ) : (
            <button class="button" disabled={lane.query === null} onClick={begin}>
              Watch
            </button>
          )}
          <span class="quiet">{`up to ${RATE} a second, as a sample`}</span>
        </div>
      </div>
      {over !== '' && (
        <p class="quiet" role="status">
          {over === 'ended' ? 'A tap ends after five minutes.' : 'The tap ended: the connection to Weir broke.'}
        </p>
      )}
      {watching && flowfiles.length === 0 && (
        <p class="quiet" role="status">
          Nothing has come yet.
        </p>
      )}
      {held.length > 0 && (
        <ul class="flowfiles" aria-label="Sample of what passes">
          {held.map(file => (
            <FlowFileRow
              key={file.flowfile}
              item={file}
              opened={opened === file.flowfile}
              onToggle={() => setOpened(opened === file.flowfile ? null : file.flowfile)}
            />
          ))}
        </ul>
      )}
    </Section>
  );
}
