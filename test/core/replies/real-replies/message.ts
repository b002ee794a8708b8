/** Replies of Exchange Online when this message or one of its recipients is at fault. */
import { HOSTNAME, type RealReplies, TRACE } from './real-reply.ts';

export const MESSAGE_SAID: readonly RealReplies[] = [
  {
    rule: 'recipient-busy',
    scope: 'recipient',
    action: 'retry',
    explanation: /recipient's mailbox is busy/,
    said: [
      ['rcpt', `432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded ${TRACE}`],
      ['end', `432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded ${HOSTNAME}`],
    ],
  },
  {
    rule: 'recipient-full',
    scope: 'recipient',
    action: 'retry',
    explanation: /recipient's mailbox is full/,
    said: [
      ['rcpt', `552 5.2.2 mailbox full ${TRACE}`],
      [
        'rcpt',
        `554 5.2.2 STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded ${TRACE}`,
      ],
    ],
  },
  {
    rule: 'protocol-violation',
    scope: 'message',
    action: 'retry',
    explanation: /violation of the SMTP protocol for this message/,
    fix: /Report it as a bug/,
    said: [['end', `451 4.5.0 SMTP protocol violation, see RFC 2821 ${TRACE}`]],
  },
  {
    rule: 'too-many-recipients',
    scope: 'recipient',
    action: 'retry',
    explanation: /no more recipients at a time\. The other recipients get the message separately/,
    fix: /Set-Mailbox <mailbox> -RecipientLimits 1000/,
    said: [['rcpt', `452 4.5.3 Too many recipients ${TRACE}`]],
  },
  {
    rule: 'too-many-recipients-for-good',
    scope: 'message',
    action: 'fail',
    explanation: /more recipients than the mailbox is allowed in one message/,
    fix: /Set-Mailbox <mailbox> -RecipientLimits 1000/,
    said: [['end', `550 5.5.3 Too many recipients ${HOSTNAME}`]],
  },
  {
    rule: 'address-not-ascii',
    scope: 'message',
    action: 'fail',
    explanation: /non-ASCII characters/,
    fix: /Use an ASCII address/,
    said: [['mail', '553 5.6.7 Non-ASCII addresses not permitted for that sender/recipient']],
  },
  {
    rule: 'address-invalid',
    scope: 'recipient',
    action: 'fail',
    explanation: /considers the address invalid/,
    fix: /Correct the address/,
    said: [
      ['rcpt', '501 5.1.3 Invalid address'],
      ['rcpt', `550 5.1.3 STOREDRV.Submit; invalid recipient address ${TRACE}`],
      ['rcpt', `550 5.1.8 Invalid address ${TRACE}`],
    ],
  },
  {
    rule: 'recipient-not-found',
    scope: 'recipient',
    action: 'fail',
    explanation: /no such recipient/,
    fix: /Correct the address/,
    said: [
      ['rcpt', `550 5.1.10 Recipient not found; Recipient not found by SMTP address lookup ${TRACE}`],
      ['rcpt', `550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup ${TRACE}`],
    ],
  },
  {
    rule: 'recipient-refused',
    scope: 'recipient',
    action: 'fail',
    explanation: /domain does not know this address/,
    fix: /Correct the address/,
    said: [['rcpt', `550 5.4.1 Recipient address rejected: Access denied. AS(201806281) ${TRACE}`]],
  },
  {
    rule: 'mail-loop',
    scope: 'message',
    action: 'fail',
    explanation: /passed too many servers/,
    fix: /Received headers/,
    said: [
      ['end', `554 5.4.6 Hop count exceeded - possible mail loop ${HOSTNAME}`],
      ['end', `554 5.4.14 Hop count exceeded - possible mail loop ATTR34 ${HOSTNAME}`],
    ],
  },
  {
    rule: 'relay-refused',
    scope: 'message',
    action: 'fail',
    explanation: /does not relay mail for this client/,
    fix: /matching connector/,
    said: [
      ['rcpt', `550 5.7.1 Unable to relay ${TRACE}`],
      ['mail', `550 5.7.1 Client host rejected: Access denied ${TRACE}`],
      ['rcpt', `550 5.7.64 TenantAttribution; Relay Access Denied ${TRACE}`],
    ],
  },
  {
    rule: 'not-authorized',
    scope: 'message',
    action: 'fail',
    explanation: /accepts no mail from this sender, or a mail flow rule/,
    fix: /Mail flow > Rules/,
    said: [
      ['end', `550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy ${HOSTNAME}`],
      ['end', `550 5.7.124 RESOLVER.RST.SenderNotInAllowedSendersList; not in allowed-senders list ${HOSTNAME}`],
    ],
  },
  {
    rule: 'send-as-denied',
    scope: 'message',
    action: 'fail',
    explanation: /not allowed to send with this From address/,
    fix: /Add-RecipientPermission .* -AccessRights SendAs/,
    said: [
      ['end', `550 5.7.60 SMTP; Client does not have permissions to send as this sender ${TRACE}`],
      ['end', `550 5.7.1 Client does not have permissions to send as this sender ${TRACE}`],
      [
        'end',
        `554 5.2.252 SendAsDenied; noreply@contoso.com not allowed to send as ceo@contoso.com; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a permanent exception with message Cannot submit message. ${HOSTNAME}`,
      ],
      [
        'end',
        `554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a permanent exception with message Cannot submit message. ${HOSTNAME}`,
      ],
    ],
  },
  {
    rule: 'bare-line-feeds',
    scope: 'message',
    action: 'fail',
    explanation: /line feed without a carriage return/,
    fix: /Report it as a bug/,
    said: [
      [
        'end',
        '550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds, which cannot be sent via DATA',
      ],
    ],
  },
  {
    rule: 'sender-policy',
    scope: 'message',
    action: 'fail',
    explanation: /SPF, DKIM or DMARC/,
    fix: /SPF must include spf\.protection\.outlook\.com/,
    said: [
      ['end', `550 5.7.9 Message not accepted for policy reasons: DMARC ${TRACE}`],
      ['end', `550 5.7.26 This mail is unauthenticated: multiple authentication checks failed ${TRACE}`],
    ],
  },
  {
    rule: 'message-too-large',
    scope: 'message',
    action: 'fail',
    explanation: /larger than the mailbox is allowed to send/,
    fix: /Set-Mailbox <mailbox> -MaxSendSize 150MB/,
    said: [
      ['mail', '552 5.3.4 Message size exceeds fixed maximum message size'],
      ['end', `552 5.2.3 Message size exceeds fixed maximum message size ${HOSTNAME}`],
    ],
  },
  {
    rule: 'content-corrupt',
    scope: 'message',
    action: 'fail',
    explanation: /could not read the message's headers or content/,
    fix: /extra headers/,
    said: [
      ['end', `554 5.6.0 Corrupt message content ${HOSTNAME}`],
      ['end', `550 5.6.2 SMTPSEND.InvalidHeaders; invalid headers ${HOSTNAME}`],
    ],
  },
  {
    rule: 'submission-exception',
    scope: 'message',
    action: 'fail',
    explanation: /name of the exception in its reply says why/,
    said: [
      [
        'end',
        `554 5.2.0 STOREDRV.Submission.Exception:InvalidRecipientsException; Failed to process message due to a permanent exception with message Recipients are not valid. ${HOSTNAME}`,
      ],
      [
        'end',
        `554 5.2.122 STOREDRV.Submission.Exception:RecipientRateLimitException.MapiExceptionCallFailed ${HOSTNAME}`,
      ],
    ],
  },
];
