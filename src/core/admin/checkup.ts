/** What the doctor finds on the way from the configuration to MAIL FROM, step by step, and what mends it. */
import type { Fault } from '../replies/classification.ts';

export type StepId =
  | 'configuration'
  | 'dns'
  | 'connect'
  | 'banner'
  | 'starttls'
  | 'certificate'
  | 'size'
  | 'authority'
  | 'token'
  | 'consent'
  | 'login'
  | 'senders';

/** `warning`: mails go out, but something is to be done or known. `skipped`: a step before it must succeed first. */
export type StepStatus = 'ok' | 'warning' | 'failed' | 'skipped';

export interface Step {
  readonly id: StepId;
  readonly status: StepStatus;
  /** What was seen, or why it could not be looked at. */
  readonly seen: string;
  /** What that means, where it is not plain. */
  readonly meaning?: string;
  readonly fix?: string;
}

export interface Diagnosis {
  /** The mailbox's address. */
  readonly mailbox: string;
  readonly checkedAt: Date;
  /** No step failed. */
  readonly ok: boolean;
  readonly steps: readonly Step[];
}

/** All steps, in the order of the chain, with what each asks. */
export const STEP_TITLES: Readonly<Record<StepId, string>> = {
  configuration: 'Is the configuration whole?',
  dns: 'Does the name of the SMTP host resolve?',
  connect: 'Does the SMTP host take connections?',
  banner: 'Is it Exchange that answers?',
  starttls: 'Does it offer STARTTLS, with TLS 1.2 or newer?',
  certificate: 'Is its certificate to be trusted?',
  size: 'Does it take messages of the configured size?',
  authority: "Does Entra's token endpoint answer?",
  token: 'Does Entra give a token?',
  consent: 'Is the token for Exchange, with SMTP.SendAsApp?',
  login: 'Does Exchange take the login?',
  senders: 'May the mailbox send?',
};

export function makeDiagnosis(mailbox: string, checkedAt: Date, steps: readonly Step[]): Diagnosis {
  return { mailbox, checkedAt, ok: steps.every(({ status }) => status !== 'failed'), steps };
}

export function ok(id: StepId, seen: string): Step {
  return { id, status: 'ok', seen };
}

export function skipped(id: StepId, because: string): Step {
  return { id, status: 'skipped', seen: because };
}

/** A step that failed with something that a table knows, or with an explanation of its own. */
export function failed(id: StepId, seen: string, fault: Partial<Pick<Fault, 'explanation' | 'fix'>> = {}): Step {
  return troubled('failed', id, seen, fault);
}

export function warning(id: StepId, seen: string, fault: Partial<Pick<Fault, 'explanation' | 'fix'>>): Step {
  return troubled('warning', id, seen, fault);
}

/** Puts what is known of this mailbox in the place of `<placeholders>`, so that a command can be pasted as it is. */
export function fillIn(step: Step, known: Readonly<Record<string, string | undefined>>): Step {
  if (step.fix === undefined) return step;
  return { ...step, fix: step.fix.replace(/<([^<>]+)>/g, (placeholder, name: string) => known[name] ?? placeholder) };
}

function troubled(
  status: StepStatus,
  id: StepId,
  seen: string,
  { explanation, fix }: Partial<Pick<Fault, 'explanation' | 'fix'>>,
): Step {
  return { id, status, seen, ...(explanation && { meaning: explanation }), ...(fix && { fix }) };
}
