/**
 * The messages that the documentation offers. "Execute" sends each as it is, so no example names a sender and all go to
 * example.com.
 */

/** A red dot of 5 × 5 pixels. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg==';

const INVITATION = [
  'BEGIN:VCALENDAR',
  'VERSION:2.0',
  'PRODID:-//relay365//example//EN',
  'METHOD:REQUEST',
  'BEGIN:VEVENT',
  'UID:planning-2027@example.com',
  'DTSTAMP:20261201T090000Z',
  'DTSTART:20270111T090000Z',
  'DTEND:20270111T093000Z',
  'SUMMARY:Planning',
  'ORGANIZER:mailto:organizer@example.com',
  'ATTENDEE;RSVP=TRUE:mailto:someone@example.com',
  'END:VEVENT',
  'END:VCALENDAR',
  '',
].join('\r\n');

export const SEND_EXAMPLES = {
  text: {
    summary: 'A plain message',
    value: { to: 'someone@example.com', subject: 'Hello', text: 'Hello from relay365.' },
  },
  html: {
    summary: 'HTML with an inline image and an attachment',
    value: {
      to: ['Someone <someone@example.com>', { name: 'Zoë Müller', address: 'zoe@example.com' }],
      cc: 'archive@example.com',
      replyTo: 'support@example.com',
      subject: 'Your invoice 2026-117',
      text: 'Your invoice is attached.',
      html: '<p>Your invoice is attached. <img src="cid:dot@example.com" alt=""></p>',
      attachments: [
        { filename: 'dot.png', contentType: 'image/png', contentId: 'dot@example.com', content: PNG },
        { filename: 'invoice.txt', contentType: 'text/plain', content: 'SW52b2ljZSAyMDI2LTExNzogMTIuNTAgRVVSCg==' },
      ],
      headers: { 'X-Invoice': '2026-117' },
      metadata: { customer: '4711' },
    },
  },
  invitation: {
    summary: 'An invitation to a meeting',
    value: {
      to: 'someone@example.com',
      subject: 'Planning',
      text: 'Please come to the planning on 11 January, 9:00 UTC.',
      calendar: { method: 'REQUEST', content: INVITATION },
      importance: 'high',
      priority: 'high',
    },
  },
} as const;

export const SEND_ANSWER_EXAMPLE = {
  id: '7d0f9c3e-52a7-4a0e-9d3c-1f6a1f0a6b52',
  status: 'queued',
  mailbox: 'noreply@contoso.com',
  messageId: '<7d0f9c3e-52a7-4a0e-9d3c-1f6a1f0a6b52@contoso.com>',
  acceptedAt: '2026-12-01T09:00:00.000Z',
  estimatedAt: '2026-12-01T09:00:00.000Z',
} as const;

/** Named as those in JSON: Swagger UI keeps the name when another type is chosen. */
export const FORM_EXAMPLES = {
  text: {
    summary: 'A plain message',
    value: {
      to: ['someone@example.com'],
      subject: 'Hello',
      text: 'Hello from relay365.',
      metadata: '{"customer":"4711"}',
    },
  },
} as const;

export const RAW_EXAMPLES = {
  text: {
    summary: 'A plain message',
    value: 'To: someone@example.com\r\nSubject: Hello\r\n\r\nHello from relay365.\r\n',
  },
} as const;

export const BATCH_EXAMPLE = {
  messages: [
    { to: 'someone@example.com', subject: 'Hello', text: 'Hello from relay365.' },
    { to: 'zoe@example.com', subject: 'Later', text: 'Good morning.', priority: 'low' },
  ],
} as const;

export const BATCH_ANSWER_EXAMPLE = {
  results: [
    { index: 0, ...SEND_ANSWER_EXAMPLE },
    {
      index: 1,
      error: {
        type: 'urn:relay365:problem:invalid-message',
        title: 'Invalid message',
        status: 422,
        errors: [{ field: 'to', message: 'Give at least one recipient in to, cc or bcc.' }],
      },
    },
  ],
} as const;

export const DRY_RUN_EXAMPLE = {
  dryRun: true,
  mailbox: 'noreply@contoso.com',
  envelope: { from: 'noreply@contoso.com', to: ['someone@example.com'] },
  sizeBytes: 612,
  expiresAt: '2026-12-02T09:00:00.000Z',
} as const;

/** A message for which Exchange was too busy at first. */
export const MESSAGE_EXAMPLE = {
  id: SEND_ANSWER_EXAMPLE.id,
  status: 'sent',
  mailbox: 'noreply@contoso.com',
  from: { address: 'noreply@contoso.com' },
  to: [{ name: 'Someone', address: 'someone@example.com' }],
  cc: [],
  bcc: [],
  subject: 'Hello',
  messageId: SEND_ANSWER_EXAMPLE.messageId,
  metadata: { customer: '4711' },
  acceptedAt: '2026-12-01T09:00:00.000Z',
  expiresAt: '2026-12-02T09:00:00.000Z',
  finishedAt: '2026-12-01T09:00:31.640Z',
  attempts: [
    {
      at: '2026-12-01T09:00:00.012Z',
      durationMs: 812,
      outcome: 'deferred',
      reply: { code: 451, enhanced: '4.7.0', text: 'Temporary server error. Please try again later. PRX2' },
      explanation:
        'Exchange answered (after the message was sent): 451 4.7.0 Temporary server error. Please try again later. PRX2',
    },
    {
      at: '2026-12-01T09:00:30.790Z',
      durationMs: 850,
      outcome: 'sent',
      reply: {
        code: 250,
        enhanced: '2.0.0',
        text: 'OK <…@contoso.com> [Hostname=OS0PR01MB6099.jpnprd01.prod.outlook.com]',
      },
      explanation: 'Exchange accepted the message.',
    },
  ],
  recipients: [{ address: 'someone@example.com', status: 'sent' }],
} as const;

export const QUEUED_EXAMPLE = {
  ...MESSAGE_EXAMPLE,
  status: 'queued',
  finishedAt: undefined,
  attempts: [],
  recipients: [{ address: 'someone@example.com', status: 'pending' }],
} as const;

export const CANCELED_EXAMPLE = {
  ...MESSAGE_EXAMPLE,
  status: 'canceled',
  sendAt: '2026-12-24T18:00:00.000Z',
  expiresAt: '2026-12-25T18:00:00.000Z',
  attempts: [],
  recipients: [{ address: 'someone@example.com', status: 'canceled' }],
} as const;

export const SANDBOX_EXAMPLE = [
  {
    n: 1,
    receivedAt: '2026-12-01T09:00:00.310Z',
    mailbox: 'noreply@contoso.com',
    from: 'noreply@contoso.com',
    to: ['someone@example.com'],
    subject: 'Hello',
    messageId: SEND_ANSWER_EXAMPLE.messageId,
    sizeBytes: 612,
  },
] as const;

export const MAILBOX_EXAMPLE = {
  id: 'noreply@contoso.com',
  address: 'noreply@contoso.com',
  sendAs: [],
  pools: [],
  state: 'held',
  since: '2026-11-16T09:30:00.000Z',
  until: '2026-11-16T09:30:20.000Z',
  reason: {
    rule: 'secret-expired',
    explanation: 'The client secret has expired. Messages wait, and none is lost.',
    fix: 'Entra admin center > App registrations > the app > Certificates & secrets: create a new secret.',
  },
  usage: {
    connections: { used: 1, reserved: 2, limit: 3 },
    messagesPerMinute: { used: 12, limit: 30 },
    recipientsPerDay: { used: 480, limit: 10_000 },
  },
  queue: { waiting: 17, delayed: 1, underWay: 0 },
} as const;

export const POOL_EXAMPLE = {
  name: 'news',
  mailboxes: ['news1@contoso.com', 'news2@contoso.com'],
  state: 'open',
  queue: { waiting: 140, delayed: 0, underWay: 2 },
} as const;

export const CHECKUP_EXAMPLE = {
  mailbox: 'noreply@contoso.com',
  checkedAt: '2026-11-16T09:31:00.000Z',
  ok: false,
  steps: [
    {
      id: 'dns',
      title: 'Does the name of the SMTP host resolve?',
      status: 'ok',
      seen: 'smtp.office365.com is 52.98.151.66',
    },
    {
      id: 'token',
      title: 'Does Entra issue a token?',
      status: 'failed',
      seen: 'AADSTS7000222: The provided client secret keys are expired.',
      meaning: 'The client secret has expired. Messages wait, and none is lost.',
      fix: 'Entra admin center > App registrations > the app > Certificates & secrets: create a new secret.',
    },
  ],
} as const;
