/** Which extra headers a sender may set, and what they may contain. */

/** RFC 5322 2.2: printable ASCII without the colon. */
const HEADER_NAME = /^[!-9;-~]{1,76}$/;
const HEADER_VALUE_LENGTH_MAX = 4096;
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/;

/** Headers that relay365 writes itself, with the field of the API that sets them. */
const OWNED: Readonly<Record<string, string>> = {
  from: 'from',
  to: 'to',
  cc: 'cc',
  bcc: 'bcc',
  'reply-to': 'replyTo',
  subject: 'subject',
  importance: 'importance',
  priority: 'importance',
  'x-priority': 'importance',
  'x-msmail-priority': 'importance',
  sender: '',
  date: '',
  'message-id': '',
  'mime-version': '',
  received: '',
  'return-path': '',
  'dkim-signature': '',
  'resent-bcc': '',
};

/** Why this header is refused; undefined when it is allowed. */
export function headerProblem(name: string, value: string): string | undefined {
  const key = name.toLowerCase();
  if (!HEADER_NAME.test(name))
    return 'A header name must have 1 to 76 printable ASCII characters, without colons and spaces.';
  if (key.startsWith('content-')) return 'relay365 sets the Content-… headers itself. Use attachments.';
  if (Object.hasOwn(OWNED, key))
    return `relay365 sets this header itself.${OWNED[key] ? ` Use the field ${OWNED[key]}.` : ''}`;
  if (CONTROL.test(value)) return 'The value contains a line break or another control character.';
  if (value.length > HEADER_VALUE_LENGTH_MAX) return `The value is longer than ${HEADER_VALUE_LENGTH_MAX} characters.`;
  return undefined;
}
