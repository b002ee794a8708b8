/** Exchange Online's limits of a mailbox, as the simulator enforces them. 0 means no limit. */

export interface ExchangeLimits {
  /** Connections logged in as the mailbox. One more is refused at DATA. */
  readonly connections: number;
  readonly messagesPerMinute: number;
  /** What happens to a message above the rate. Microsoft's pages describe both. */
  readonly messageRateMode: 'reject' | 'delay';
  /** The reply in mode `reject`. Microsoft does not publish its text. */
  readonly messageRateReply: string;
  /** The sliding window of `messagesPerMinute`. */
  readonly messageRateWindowMs: number;
  readonly recipientsPerDay: number;
  readonly recipientsPerMessage: number;
  readonly messageSizeBytesMax: number;
  /** A session that is older than this is ended. */
  readonly sessionMs: number;
  /** A session whose client is silent for this long is ended. */
  readonly idleMs: number;
}

/** Source: exchange-online-limits on Microsoft Learn. */
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
