/** What is printable ASCII as it is, other bytes as \x00: for keys and other short things. */
export function escaped(bytes: string): string {
  return bytes.replace(/[^\x20-\x5b\x5d-\x7e]/g, byte =>
    byte === '\\' ? '\\\\' : `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** 16 bytes a line: offset, hexadecimal, and what of it is printable ASCII. */
export function hexDump(base64: string): string {
  const bytes = atob(base64);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const part = bytes.slice(at, at + 16);
    const hex = [...part].map(byte => byte.charCodeAt(0).toString(16).padStart(2, '0'));
    lines.push(
      `${at.toString(16).padStart(6, '0')}  ${hex.join(' ').padEnd(47)}  ${part.replace(/[^\x20-\x7e]/g, '.')}`,
    );
  }
  return lines.join('\n');
}
