/**
 * A dot alone on a line whose ends are not both CR LF. It ends no mail here, but where it did, what follows would be
 * commands: that is how mails are smuggled (CVE-2023-51764), and no honest client sends it.
 */

const CR = 0x0d;
const LF = 0x0a;
const CERTAIN = ['\n.\n', '\r.\r', '\r.\n'];

/** `bytes` is the mail without its dot stuffing. */
export function hasFalseEnd(bytes: Buffer): boolean {
  if (CERTAIN.some((end) => bytes.includes(end))) return true;
  for (let at = bytes.indexOf('\n.\r'); at >= 0; at = bytes.indexOf('\n.\r', at + 1)) {
    if (bytes[at - 1] !== CR || bytes[at + 3] !== LF) return true;
  }
  return false;
}
