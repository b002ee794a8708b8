/**
 * The line ends of a raw message, byte by byte and in place: a large message of only line ends must cost neither seconds
 * nor another copy.
 */

const CR = 0x0d;
const LF = 0x0a;

/** Bare LF and bare CR become CRLF: no server must see a line's end where another does not. */
export function withCrlf(bytes: Buffer): Buffer {
  const bare = countBare(bytes);
  if (bare === 0) return bytes;
  const whole = Buffer.allocUnsafe(bytes.length + bare);
  let to = 0;
  let before = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] as number;
    if (byte === CR || (byte === LF && before !== CR)) {
      whole[to] = CR;
      whole[to + 1] = LF;
      to += 2;
    } else if (byte !== LF) {
      whole[to] = byte;
      to += 1;
    }
    before = byte;
  }
  return whole;
}

function countBare(bytes: Buffer): number {
  let count = 0;
  let before = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] as number;
    if ((byte === LF) !== (before === CR)) count += 1;
    before = byte;
  }
  return before === CR ? count + 1 : count;
}
