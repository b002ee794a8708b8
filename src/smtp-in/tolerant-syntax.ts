/**
 * Syntax of devices and old scripts that RFC 5321 does not allow, but that can mean only one thing. Lines with control
 * characters stay as they are and are refused.
 */

/** Without a name, or with a name of several words. */
const HELLO = /^(\w{4})(\s.*)?$/s;
/** An address without its brackets. */
const BARE_PATH = /^([^:]*:)\s*([^\s<>]+)(\s.*)?$/s;
/** A sender of any form, and what follows it. */
const ANY_SENDER = /^([^:]*:)(?:[^\p{Cc}]*>|\s*[^\s<>]*(?!\S))(.*)$/su;

/** An EHLO or HELO with a name: the name is used only in Received, and does not identify the client. */
export function withName(line: string): string {
  const [, command = line, rest = ''] = HELLO.exec(line) ?? [];
  return `${command} ${rest.trim().split(/\s+/).join('-') || 'unknown'}`;
}

/** A MAIL FROM or RCPT TO with the brackets that were missing. */
export function withBrackets(line: string): string {
  return line.replace(BARE_PATH, '$1<$2>$3');
}

/** A MAIL FROM with the empty sender: the message's own From counts. */
export function withoutSender(line: string): string {
  return line.replace(ANY_SENDER, '$1<> $2');
}
