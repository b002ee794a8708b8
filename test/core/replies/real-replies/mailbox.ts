/** Replies of Exchange Online when the mailbox, its credential or its tenant is at fault. */
import { HOSTNAME, type RealReplies, TRACE } from './real-reply.ts';

export const MAILBOX_SAID: readonly RealReplies[] = [
  {
    rule: 'concurrent-connections',
    scope: 'mailbox',
    action: 'throttle',
    explanation: /3 connections at a time, and more were open/,
    fix: /lower M365_CONNECTIONS/,
    said: [
      [
        'data',
        `432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information. ${HOSTNAME}`,
      ],
      [
        'connect',
        '421 4.3.2 The maximum number of concurrent connections has exceeded a limit, closing transmission channel',
      ],
    ],
  },
  {
    rule: 'sender-thread-limit',
    scope: 'mailbox',
    action: 'throttle',
    explanation: /more connections at a time than Exchange allows/,
    fix: /Lower M365_CONNECTIONS/,
    said: [['end', `432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded ${HOSTNAME}`]],
  },
  {
    rule: 'submission-rate',
    scope: 'mailbox',
    action: 'throttle',
    explanation: /more messages in a minute than Exchange allows/,
    fix: /lower M365_MESSAGES_PER_MINUTE/,
    said: [['end', '421 4.4.2 Message submission rate for this client has exceeded the configured limit']],
  },
  {
    rule: 'mailbox-logon-failure',
    scope: 'mailbox',
    action: 'throttle',
    explanation: /could not open the mailbox/,
    fix: /Add-MailboxPermission .* -AccessRights FullAccess/,
    said: [
      ['end', `430 4.2.0 STOREDRV; mailbox logon failure; insufficient permission. ${HOSTNAME}`],
      ['end', `430 4.2.0 STOREDRV.ClientSubmit; mailbox logon failure ${HOSTNAME}`],
    ],
  },
  {
    rule: 'tls-too-old',
    scope: 'mailbox',
    action: 'hold',
    explanation: /refused the TLS version/,
    fix: /A proxy or firewall/,
    said: [
      [
        'auth',
        `421 4.7.66 TLS 1.0 and 1.1 are not supported. Please upgrade/update your client to support TLS 1.2. Visit https://aka.ms/smtp_auth_tls. ${TRACE}`,
      ],
      ['starttls', '421 4.7.0 TLS negotiation failed with error NoCredentials'],
    ],
  },
  {
    rule: 'server-busy',
    scope: 'mailbox',
    action: 'throttle',
    explanation: /throttles this mailbox or this IP address/,
    fix: /relay365 has slowed down/,
    said: [
      ['end', `451 4.7.500 Server busy. Please try again later from [203.0.113.5]. (S77719) ${TRACE}`],
      [
        'mail',
        `451 4.7.650 The mail server [203.0.113.5] has been temporarily rate limited due to IP reputation. ${TRACE}`,
      ],
    ],
  },
  {
    rule: 'authentication-unavailable',
    scope: 'mailbox',
    action: 'hold',
    explanation: /could not check the login at the moment/,
    said: [
      ['auth', `454 4.7.0 Temporary authentication failure ${TRACE}`],
      ['mail', '454 4.7.5 Certificate validation failure'],
    ],
  },
  {
    rule: 'mechanism-refused',
    scope: 'mailbox',
    action: 'hold',
    explanation: /does not allow this way to log in/,
    fix: /Check SMTP_HOST: it must be smtp\.office365\.com/,
    said: [['auth', '504 5.7.4 Unrecognized authentication type']],
  },
  {
    rule: 'starttls-missing',
    scope: 'mailbox',
    action: 'hold',
    explanation: /something on the way removes STARTTLS/,
    fix: /mail inspection by a firewall or antivirus/,
    said: [['auth', `530 5.7.0 Must issue a STARTTLS command first ${TRACE}`]],
  },
  {
    rule: 'not-authenticated',
    scope: 'mailbox',
    action: 'hold',
    explanation: /accepts no mail without a login/,
    fix: /not the MX of the domain. Check that a credential is configured/,
    said: [
      ['mail', `530 5.7.57 Client not authenticated to send mail. ${TRACE}`],
      ['mail', `530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM ${TRACE}`],
    ],
  },
  {
    rule: 'smtp-auth-disabled-tenant',
    scope: 'tenant',
    action: 'hold',
    explanation: /turned off for the whole tenant/,
    fix: /Set-CASMailbox .*\$false.*Set-TransportConfig -SmtpClientAuthenticationDisabled \$false/,
    said: [
      [
        'auth',
        `535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. ${TRACE}`,
      ],
    ],
  },
  {
    rule: 'smtp-auth-disabled-mailbox',
    scope: 'mailbox',
    action: 'hold',
    explanation: /turned off for this mailbox/,
    fix: /^Set-CASMailbox -Identity <mailbox> -SmtpClientAuthenticationDisabled \$false$/,
    said: [
      [
        'auth',
        `535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information. ${TRACE}`,
      ],
    ],
  },
  {
    rule: 'basic-auth-disabled',
    scope: 'mailbox',
    action: 'hold',
    explanation: /does not allow logins with a password/,
    fix: /Use OAuth/,
    said: [['auth', `535 5.7.139 Authentication unsuccessful, basic authentication is disabled. ${TRACE}`]],
  },
  {
    rule: 'password-wrong',
    scope: 'mailbox',
    action: 'hold',
    explanation: /user name or password is wrong/,
    fix: /requires an app password\. Better: use OAuth/,
    said: [['auth', `535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. ${TRACE}`]],
  },
  {
    rule: 'security-defaults',
    scope: 'tenant',
    action: 'hold',
    explanation: /Security defaults or a Conditional Access policy/,
    fix: /Entra admin center > Entra ID > Conditional Access/,
    said: [
      [
        'auth',
        `535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator. ${TRACE}`,
      ],
      [
        'auth',
        `535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator. ${TRACE}`,
      ],
    ],
  },
  {
    rule: 'basic-auth-retired',
    scope: 'mailbox',
    action: 'hold',
    explanation: /no longer accepts logins with a password/,
    fix: /AZURE_TENANT_ID, AZURE_CLIENT_ID and a credential instead of SMTP_PASSWORD/,
    said: [['auth', `550 5.7.30 Basic authentication is not supported for Client Submission. ${TRACE}`]],
  },
  {
    rule: 'authentication-unsuccessful',
    scope: 'mailbox',
    action: 'hold',
    explanation: /object ID of the app registration instead of the enterprise application's/,
    fix: /New-ServicePrincipal .* Add-MailboxPermission .* npm run doctor/,
    said: [
      ['auth', `535 5.7.3 Authentication unsuccessful ${TRACE}`],
      ['auth', `535 5.7.139 Authentication unsuccessful ${TRACE}`],
    ],
  },
  {
    rule: 'mailbox-inaccessible',
    scope: 'mailbox',
    action: 'hold',
    explanation: /This account has no mailbox/,
    fix: /licence with Exchange Online/,
    said: [['auth', `550 5.2.1 Mailbox cannot be accessed ${TRACE}`]],
  },
  {
    rule: 'bad-outbound-sender',
    scope: 'mailbox',
    action: 'hold',
    explanation: /restricted the mailbox because it looked like a source of spam/,
    fix: /Restricted entities: https:\/\/security\.microsoft\.com\/restrictedentities/,
    said: [['end', `550 5.1.8 Access denied, bad outbound sender AS(42003) ${HOSTNAME}`]],
  },
  {
    rule: 'sender-banned',
    scope: 'mailbox',
    action: 'hold',
    explanation: /banned this sender for spam/,
    fix: /^Stop sending/,
    said: [
      ['end', `550 5.7.501 Access denied, spam abuse detected ${HOSTNAME}`],
      ['mail', `550 5.7.502 Access denied, banned sender ${TRACE}`],
      ['mail', `550 5.7.503 Access denied, banned sender ${TRACE}`],
    ],
  },
  {
    rule: 'tenant-blocked',
    scope: 'tenant',
    action: 'hold',
    explanation: /accepts no mail from the tenant at the moment/,
    fix: /Register all sending domains/,
    said: [
      ['end', `550 5.7.705 Access denied, tenant has exceeded threshold ${HOSTNAME}`],
      ['end', `550 5.7.708 Access denied, traffic not accepted from this IP AS(7230) ${HOSTNAME}`],
      ['end', `550 5.7.750 Service unavailable. Client blocked from sending from unregistered domains ${HOSTNAME}`],
    ],
  },
  {
    rule: 'external-recipients-per-day',
    scope: 'tenant',
    action: 'throttle',
    explanation: /limit of external recipients in 24 hours that its licences allow/,
    fix: /Azure Communication Services/,
    said: [
      [
        'end',
        `550 5.7.233 Your message can't be sent because your organization has exceeded its tenant external recipient rate limit. ${HOSTNAME}`,
      ],
      [
        'end',
        `550 5.7.232 Your message can't be sent because your trial tenant has exceeded its daily limit for sending email to external recipients (tenant external recipient rate limit) ${HOSTNAME}`,
      ],
    ],
  },
  {
    rule: 'submission-quota',
    scope: 'mailbox',
    action: 'throttle',
    explanation: /limit of 10,000 recipients in 24 hours/,
    fix: /more mailboxes \(a pool\)/,
    said: [
      [
        'end',
        `554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a permanent exception with message The message can't be submitted because the sender's submission quota was exceeded. ${HOSTNAME}`,
      ],
      ['end', `554 5.2.2 Submission quota exceeded ${HOSTNAME}`],
      [
        'end',
        `550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients ${HOSTNAME}`,
      ],
    ],
  },
  {
    rule: 'mailbox-full',
    scope: 'mailbox',
    action: 'hold',
    explanation: /mailbox is full: Exchange keeps every message sent by SMTP in its Sent Items/,
    fix: /Empty Sent Items/,
    said: [
      [
        'end',
        `554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionQuotaExceeded; Failed to process message due to a permanent exception with message Cannot save changes to the message. ${HOSTNAME}`,
      ],
      [
        'end',
        `554 5.2.0 STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded ${HOSTNAME}`,
      ],
    ],
  },
];
