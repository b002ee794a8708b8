/** Replies of Exchange Online about this connection, Microsoft's own servers and the IP address. */
import { HOSTNAME, type RealReplies, TRACE } from './real-reply.ts';

export const CONNECTION_SAID: readonly RealReplies[] = [
  {
    rule: 'service-unavailable',
    scope: 'connection',
    action: 'throttle',
    explanation: /accepts no more mail from here at the moment/,
    said: [
      ['connect', '421 4.3.2 Service not available, closing transmission channel'],
      ['connect', '421 4.3.2 System not accepting network messages'],
    ],
  },
  {
    rule: 'session-timeout',
    scope: 'connection',
    action: 'retry',
    explanation: /ended the session because it was too old or idle for too long/,
    said: [
      ['mail', `421 4.4.2 Connection timed out. ${TRACE}`],
      ['data', `421 4.4.1 Connection timed out. Total session duration: 00:20:00.0421234 ${TRACE}`],
    ],
  },
  {
    rule: 'temporary-server-error',
    scope: 'connection',
    action: 'retry',
    explanation: /Microsoft's servers have a temporary problem/,
    said: [
      ['end', `451 4.7.0 Temporary server error. Please try again later. PRX5 ${HOSTNAME}`],
      ['rcpt', `450 4.7.0 Temporary server error. Please try again later. PRX2 ${TRACE}`],
      ['mail', `451 4.3.0 Temporary server error. Please try again later ${TRACE}`],
    ],
  },
  {
    rule: 'dns-failed-there',
    scope: 'connection',
    action: 'retry',
    explanation: /could not look up a DNS name/,
    said: [
      ['end', `451 4.4.0 DNS query failed. The error was: DNS query failed with error ErrorRetry ${HOSTNAME}`],
      ['end', `451 4.4.3 DNS query failed; SMTPSEND.DNS.NonExistentDomain ${HOSTNAME}`],
    ],
  },
  {
    rule: 'insufficient-resources',
    scope: 'connection',
    action: 'retry',
    explanation: /short of resources/,
    said: [
      ['mail', `452 4.3.1 Insufficient system resources (UsedDiskSpace[D:\\Queue]) ${TRACE}`],
      ['data', `452 4.3.1 Insufficient system storage ${TRACE}`],
    ],
  },
  {
    rule: 'bad-sequence',
    scope: 'connection',
    action: 'retry',
    explanation: /SMTP commands in the wrong order/,
    fix: /report it as a bug/,
    said: [
      ['data', '503 5.5.2 Need rcpt command'],
      ['rcpt', '503 5.5.1 Bad sequence of commands'],
    ],
  },
  {
    rule: 'ip-over-limit',
    scope: 'connection',
    action: 'throttle',
    explanation: /too much mail from this IP address/,
    fix: /relay365 has slowed down/,
    said: [
      ['end', `550 5.7.508 Access denied, [203.0.113.5] has exceeded permitted limits within ipv4 range ${HOSTNAME}`],
    ],
  },
  {
    rule: 'ip-banned',
    scope: 'connection',
    action: 'hold',
    explanation: /banned the IP address/,
    fix: /https:\/\/sender\.office\.com/,
    said: [
      [
        'rcpt',
        `550 5.7.606 Access denied, banned sending IP [203.0.113.5]. To request removal from this list please visit https://sender.office.com/ and follow the directions. ${TRACE}`,
      ],
      ['connect', `550 5.7.649 Access denied, banned sending IP [203.0.113.5] ${TRACE}`],
    ],
  },
];
