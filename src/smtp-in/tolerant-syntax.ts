/**
 * What devices and old scripts write in place of what RFC 5321 asks for, where it can mean only one thing: read as that.
 * Control characters mean nothing, and are left for a refusal.
 */

/** With no name, or with one of several words. */
const HELLO = /^(\w{4})(\s.*)?$/s;
/** An address without its brackets. */
const BARE_PATH = /^([^:]*:)\s*([^\s<>]+)(\s.*)?$/s;
/** A sender of any form, and what follows it. */
const ANY_SENDER = /^([^:]*:)(?:[^\p{Cc}]*>|\s*[^\s<>]*(?!\S))(.*)$/su;

/** An EHLO or HELO with a name: it stands in Received alone, and says nothing of who may send. */
export function withName(line: string): string {
  const [, command = line, rest = ''] = HELLO.exec(line) ?? [];
  return `${command} ${rest.trim().split(/\s+/).join('-') || 'unknown'}`;
}

/** A MAIL FROM or RCPT TO with the brackets that it lacks. */
export function withBrackets(line: string): string {
  return line.replace(BARE_PATH, '$1<$2>$3');
}

/** A MAIL FROM with the sender that nobody has: a mail's own From is what counts. */
export function withoutSender(line: string): string {
  return line.replace(ANY_SENDER, '$1<> $2');
}
