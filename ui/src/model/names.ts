/** A processor or connection by its name in the provenance: `flow/…`, or in a lane of a flow that scales out
 *  `flow@topic/partition/…`. */
export interface NamedParts {
  readonly flow: string;
  /** `topic/partition`, or empty. */
  readonly lane: string;
  /** The processor; or from, relationship and to. */
  readonly parts: readonly string[];
}

export function partsOf(name: string): NamedParts {
  const [first = '', ...rest] = name.split('/');
  const at = first.indexOf('@');
  if (at <= 0) return { flow: first, lane: '', parts: rest };
  const [partition = '', ...parts] = rest;
  return { flow: first.slice(0, at), lane: `${first.slice(at + 1)}/${partition}`, parts };
}
