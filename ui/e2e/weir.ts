// Real servers for the tests of the page: started in folders of their own, and stopped also when the test dies.
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));
const build = process.env['WEIR_BUILD'] ?? join(root, 'build');

export class Running {
  private output = '';
  private ended = false;

  constructor(
    private readonly process: ChildProcess,
    readonly folder: string,
  ) {
    for (const stream of [process.stdout, process.stderr])
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    process.on('exit', () => (this.ended = true));
  }

  /** Waits until its output has this; gives what the pattern caught. */
  async says(pattern: RegExp, seconds: number): Promise<string> {
    const caught = await until(() => {
      if (this.ended) throw new Error(`it ended early:\n${this.output}`);
      return Promise.resolve(pattern.exec(this.output));
    }, seconds);
    return caught[1] ?? caught[0];
  }

  async stop(): Promise<void> {
    if (!this.ended) {
      this.process.kill('SIGTERM');
      await until(() => Promise.resolve(this.ended || null), 30).catch(() => this.process.kill('SIGKILL'));
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What `look` gives once it is neither null, false nor undefined. */
export async function until<T>(look: () => Promise<T | null | false | undefined>, seconds: number): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== null && found !== false && found !== undefined) return found;
    if (Date.now() > end) throw new Error(`nothing within ${seconds} s: ${look.toString()}`);
    await new Promise(wake => setTimeout(wake, 50));
  }
}

/** With the death of this process goes the other. */
function start(command: string[], folder: string, env: Record<string, string> = {}): Running {
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...command], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new Running(child, folder);
}

export interface Site {
  url: string;
  stop: () => Promise<void>;
}

/** The main job: mosquitto, simulated sensors, and the flow. */
export async function sensorLake(): Promise<Site & { broker: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-ui-'));
  const data = join(folder, 'data');
  const running = start([join(root, 'flows/sensor-lake/run'), '--data', data, '--build', build], folder);
  const url = await running.says(/status\s+(http:\/\/\S+)/, 60);
  const broker = await running.says(/broker\s+mqtt:\/\/[\d.]+:(\d+)/, 60);
  await until(async () => (await fetch(`${url}/readyz`).catch(() => null))?.ok, 60);
  return { url, broker, stop: () => running.stop() };
}

/** Weir with flows of the test's own: one, or several; and the tests' own plugins. */
export async function weir(
  flow: string | string[],
  listen: string = '127.0.0.1:0',
): Promise<Site & { token: Token; folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-ui-'));
  const files = [flow].flat().map((text, index) => {
    const file = join(folder, `flow${index}.yaml`);
    writeFileSync(file, text);
    return file;
  });
  const options = ['--data', join(folder, 'data'), '--listen', listen, '--plugins', join(build, 'tests/hang')];
  const command = [join(build, 'weir'), 'run', ...files, ...options];
  const running = start(command, folder);
  const url = await running.says(/listening on (http:\/\/[\d.]+:\d+)/, 60);
  const token = (name: string, role: string) => {
    const command = ['token', 'add', name, '--role', role, '--data', join(folder, 'data')];
    const said = execFileSync(join(build, 'weir'), command, { encoding: 'utf8' });
    return /weir_\S+/.exec(said)?.[0] ?? '';
  };
  return { url, token, folder, stop: () => running.stop() };
}

/** A flow that comes to its end. */
export async function runToEnd(flow: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-ui-'));
  writeFileSync(join(folder, 'flow.yaml'), flow);
  const options = ['--data', join(folder, 'data'), '--listen', 'none', '--until-idle'];
  await promisify(execFile)(join(build, 'weir'), ['run', join(folder, 'flow.yaml'), ...options], { cwd: folder });
  rmSync(folder, { recursive: true, force: true });
}

export interface Servers {
  /** By name, without what follows a comma. */
  where: Record<string, string>;
  /** Its end, with no word to anyone. */
  kill: (name: string) => Promise<void>;
  stop: () => Promise<void>;
}

/** Real ones (tests/servers/serve.cpp); null where one cannot be had, and a line says so. */
export async function servers(...names: string[]): Promise<Servers | null> {
  const child = spawn(join(build, 'tests/serve'), names, {
    env: { ...process.env, WEIR_SOURCE: root },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<void>(done => child.on('exit', () => done()));
  const says = (pattern: RegExp) => until(() => Promise.resolve(pattern.exec(output)), 120);
  const first = await says(/^(ready|SKIPPED.*)$/m);
  if (first[0] !== 'ready') {
    console.log(first[0]);
    return null;
  }
  const where = Object.fromEntries(output.split('\n').map(line => line.split(' ', 2) as [string, string]));
  return {
    where,
    kill: async name => {
      child.stdin.write(`kill ${name}\n`);
      await says(new RegExp(`^kill ${name}$`, 'm'));
    },
    stop: () => {
      child.stdin.end(); // its sign to stop them all, also when this process dies
      return ended;
    },
  };
}

/** Makes a token for someone, while Weir runs. */
export type Token = (name: string, role: 'viewer' | 'operator') => string;

/** Publishes one message, as a device would. */
export async function publish(port: string, topic: string, message: string): Promise<void> {
  const child = spawn('mosquitto_pub', ['-p', port, '-t', topic, '-m', message, '-q', '1'], { stdio: 'ignore' });
  const status = await new Promise(done => child.on('exit', done));
  if (status !== 0) throw new Error(`mosquitto_pub ended with ${String(status)}`);
}

export function axeSource(): string {
  return readFileSync(join(root, 'ui/node_modules/axe-core/axe.min.js'), 'utf8');
}
