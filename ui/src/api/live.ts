// Keeps a store at the present: by server-sent events, and by asking every second where there are none.
import { ApiError, get, ROOT } from './client';
import type { Store } from '../model/store';
import type { Bulletin, Flow, LiveUpdate, ServerStatus, Session } from '../model/types';

const EVERY = 1000;
const LATEST = '/bulletins?limit=200';
/** After failures in a row, in ms. */
const RETRIES = [500, 1000, 2000, 3000];

export class Live {
  private events: EventSource | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;
  private started = '';
  private eventsMissing = false;
  private sessionMissing = false;
  private reading = false;
  private sampledAt = 0;

  constructor(private readonly store: Store) {}

  /** Ends when the first answers are there, whatever they are. */
  async start(): Promise<void> {
    const first = this.read();
    // What does not change is not sent: without this, the last rate before a pause would stay for ever.
    setInterval(() => {
      const now = Date.now();
      if (this.events !== null && this.store.phase.peek() === 'live' && now - this.sampledAt > 1.5 * EVERY)
        this.sample(now);
    }, EVERY);
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && this.events === null) this.again(0);
    });
    await first;
  }

  /** Someone else is at the page now, or no one: what was known of him is forgotten. */
  signedOn(): void {
    this.store.session.value = null;
    this.events?.close();
    this.events = null;
    this.again(0);
  }

  /** Reads everything again now: after the operator changed something, or asked for it. */
  refresh(): void {
    if (this.events === null) this.again(0);
  }

  private again(after: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.read(), after);
  }

  private async read(): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    try {
      const after = this.store.lastBulletin;
      // All at once; index.html has asked for the first ones before this script was there.
      const [status, flows, session, news] = await Promise.all([
        get<ServerStatus>('/status'),
        get<Flow[]>('/flows?parts=true'),
        this.session(),
        get<Bulletin[]>(after === 0 ? LATEST : `/bulletins?after=${after}`),
      ]);
      this.store.session.value = session;
      const started = status.started ?? status.store;
      const restarted = this.started !== '' && this.started !== started;
      if (restarted) this.store.forget();
      this.started = started;
      const bulletins = restarted ? await get<Bulletin[]>(LATEST) : news;
      this.store.status.value = status;
      this.store.setFlows(flows);
      this.store.addBulletins(bulletins);
      this.sample(Date.now());
      this.store.heardAt(Date.now());
      this.failures = 0;
      if (this.events === null && !this.eventsMissing) this.listen();
      if (this.events === null && !document.hidden) this.again(EVERY);
    } catch (failure) {
      this.fail(failure);
    } finally {
      this.reading = false;
    }
  }

  private async session(): Promise<Session | null> {
    const known = this.store.session.peek();
    if (known !== null || this.sessionMissing) return known;
    try {
      return await get<Session>('/session');
    } catch (failure) {
      if (!(failure instanceof ApiError) || failure.status !== 404) throw failure;
      this.sessionMissing = true;
      return null;
    }
  }

  private fail(failure: unknown): void {
    const answered = failure instanceof ApiError && failure.status !== 503;
    if (answered && failure.status === 401) {
      this.store.phase.value = 'locked'; // until someone has said who it is
      return;
    }
    const known = this.store.flows.peek().length > 0;
    this.store.phase.value = answered ? 'failed' : known || this.failures > 0 ? 'lost' : 'loading';
    this.store.problem.value = answered ? failure.message : '';
    this.again(RETRIES[Math.min(this.failures, RETRIES.length - 1)] ?? EVERY);
    ++this.failures;
  }

  private sample(time: number): void {
    this.sampledAt = Date.now();
    this.store.sample(time);
  }

  private listen(): void {
    const events = new EventSource(ROOT + '/events');
    this.events = events;
    let opened = false;
    events.onopen = () => {
      opened = true;
      clearTimeout(this.timer);
    };
    const update = (event: MessageEvent<string>) => {
      const data = JSON.parse(event.data) as LiveUpdate;
      const restarted = this.started !== '' && data.started !== this.started;
      if (restarted || !this.store.apply(data)) void this.read();
      else this.sample(Date.now());
      this.store.heardAt(Date.now());
      if (data.last_bulletin > this.store.lastBulletin) void this.readBulletins();
    };
    let welcomed = false;
    events.addEventListener('snapshot', event => {
      update(event);
      if (welcomed) void this.read(); // a changed flow has been applied
      welcomed = true;
    });
    events.addEventListener('delta', update);
    events.addEventListener('bulletin', event => {
      this.store.addBulletins([JSON.parse(event.data) as Bulletin]);
    });
    events.onerror = () => {
      // A server without events answers 404, which the browser does not try again, and neither do we.
      if (!opened && events.readyState === EventSource.CLOSED) this.eventsMissing = true;
      events.close();
      this.events = null;
      this.again(opened ? 0 : EVERY);
    };
  }

  private async readBulletins(): Promise<void> {
    try {
      this.store.addBulletins(await get<Bulletin[]>(`/bulletins?after=${this.store.lastBulletin}`));
    } catch {
      // The next update says again that there are more.
    }
  }
}
