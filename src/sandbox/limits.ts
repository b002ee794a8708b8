/** Exchange Online's limits of a mailbox, as the simulator enforces them. 0 = no limit. */

export interface ExchangeLimits {
  /** Connections logged in as the mailbox; one more is refused at DATA. */
  readonly connections: number;
  readonly messagesPerMinute: number;
  /** What becomes of a message beyond the rate: Microsoft's pages say both. */
  readonly messageRateMode: 'reject' | 'delay';
  /** The reply in mode `reject`; Microsoft publishes no text. */
  readonly messageRateReply: string;
  /** The sliding window of `messagesPerMinute`. */
  readonly messageRateWindowMs: number;
  readonly recipientsPerDay: number;
  readonly recipientsPerMessage: number;
  readonly messageSizeBytesMax: number;
  /** A session is ended when it is older than this. */
  readonly sessionMs: number;
  /** A session is ended when its client is silent for this long. */
  readonly idleMs: number;
}

/** Sources: m365-facts.md section 3, that is exchange-online-limits on Microsoft Learn. */
export const DEFAULT_LIMITS: ExchangeLimits = {
  connections: 3,
  messagesPerMinute: 30,
  messageRateMode: 'reject',
  messageRateReply: '451 4.7.500 Server busy. Please try again later',
  messageRateWindowMs: 60_000,
  recipientsPerDay: 10_000,
  recipientsPerMessage: 500,
  messageSizeBytesMax: 35 * 1024 * 1024,
  sessionMs: 20 * 60_000,
  idleMs: 5 * 60_000,
};

/** The window of `recipientsPerDay`. */
export const RECIPIENTS_WINDOW_MS = 24 * 60 * 60_000;
