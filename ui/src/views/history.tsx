// How it went over the last day, a point a minute.
import { store } from '../app';
import { percent, rate } from '../model/format';
import type { ConnectionModel, FlowModel, ProcessorModel } from '../model/store';
import type { History } from '../model/types';
import { Chart } from '../parts/chart';
import { Section } from '../parts/facts';
import { usePolled } from '../parts/use-polled';

const REFRESH = 60_000;

function useHistory(flow: string) {
  const there = store.session.value !== null;
  return usePolled<History>(there ? `/history?flow=${encodeURIComponent(flow)}` : null, REFRESH);
}

function secondsOf(history: History): number[] {
  return history.times.map(time => Date.parse(time) / 1000);
}

const perSecond = (values: number[]) => values.map(value => value / 60);

export function ProcessorHistory({ processor }: { processor: ProcessorModel }) {
  const { data } = useHistory(processor.flow);
  const mine = data?.processors[`${processor.flow}/${processor.name}`];
  if (data === null || mine === undefined || data.times.length < 2) return null;
  const times = secondsOf(data);
  const failing = mine.errors.some(value => value > 0);
  return (
    <Section title="The last day" aside="records a second">
      <Chart
        label={`Records a second of ${processor.name} over the last day`}
        times={times}
        format={rate}
        lines={[
          ...(processor.info.source
            ? []
            : [{ name: 'in', values: perSecond(mine.in_records), tone: 'text-2' as const }]),
          ...(processor.sink && !processor.info.source
            ? []
            : [{ name: 'out', values: perSecond(mine.out_records), tone: 'accent' as const }]),
        ]}
      />
      {failing && (
        <Chart
          label={`Errors of ${processor.name} over the last day`}
          times={times}
          format={rate}
          lines={[{ name: 'errors', values: perSecond(mine.errors), tone: 'bad' }]}
        />
      )}
    </Section>
  );
}

/** What came in, what reached the sinks, and what failed, of a whole flow. */
export function FlowHistory({ flow }: { flow: FlowModel }) {
  const { data } = useHistory(flow.name);
  if (data === null || data.times.length < 2) return null;
  const total = (of: (processor: ProcessorModel) => boolean, number: 'in_records' | 'out_records' | 'errors') => {
    const sum = data.times.map(() => 0);
    for (const processor of flow.processors) {
      if (!of(processor)) continue;
      data.processors[`${flow.name}/${processor.name}`]?.[number].forEach((value, minute) => {
        sum[minute] = (sum[minute] ?? 0) + value;
      });
    }
    return perSecond(sum);
  };
  const errors = total(() => true, 'errors');
  const times = secondsOf(data);
  return (
    <Section level={2} title={`The last day of ${flow.name}`} aside="records a second">
      <Chart
        label={`Records a second of ${flow.name} over the last day`}
        times={times}
        format={rate}
        lines={[
          {
            name: 'reached sinks',
            values: total(each => each.sink && !each.info.source, 'in_records'),
            tone: 'text-2',
          },
          { name: 'came in', values: total(each => each.info.source, 'out_records'), tone: 'accent' },
        ]}
      />
      {errors.some(value => value > 0) && (
        <Chart
          label={`Errors of ${flow.name} over the last day`}
          times={times}
          format={rate}
          lines={[{ name: 'errors', values: errors, tone: 'bad' }]}
        />
      )}
    </Section>
  );
}

export function ConnectionHistory({ connection }: { connection: ConnectionModel }) {
  const { data } = useHistory(connection.flow);
  const mine = data?.connections[connection.id];
  if (data === null || mine === undefined || data.times.length < 2) return null;
  return (
    <Section title="The last day">
      <Chart
        label="Fullness over the last day"
        times={secondsOf(data)}
        format={percent}
        most={Math.max(0.01, ...mine.fullness)}
        lines={[{ name: 'fullness', values: mine.fullness, tone: 'accent' }]}
      />
    </Section>
  );
}
