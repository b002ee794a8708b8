/**
 * A line with only a dot whose line ends are not both CR LF. It does not end a message here. On servers where it does, what
 * follows would be commands: that is SMTP smuggling (CVE-2023-51764), and no honest client sends it.
 */

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;

/** `bytes` is the message without its dot stuffing. Byte by byte: a message of only dots must not cost seconds. */
export function hasFalseEnd(bytes: Buffer): boolean {
  for (let at = 1; at < bytes.length - 1; at += 1)
    if (bytes[at] === DOT && isEnd(bytes[at - 1]) && isEnd(bytes[at + 1]) && !isWhole(bytes, at)) return true;
  return false;
}

function isEnd(byte: number | undefined): boolean {
  return byte === CR || byte === LF;
}

function isWhole(bytes: Buffer, at: number): boolean {
  return bytes[at - 2] === CR && bytes[at - 1] === LF && bytes[at + 1] === CR && bytes[at + 2] === LF;
}
