/** The doctor's diagnosis: the steps from the configuration to MAIL FROM, what each found, and how to fix it. */
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

/** `warning`: messages can be sent, but something needs attention. `skipped`: an earlier step must succeed first. */
export type StepStatus = 'ok' | 'warning' | 'failed' | 'skipped';

export interface Step {
  readonly id: StepId;
  readonly status: StepStatus;
  /** What was found, or why the step was skipped. */
  readonly seen: string;
  /** What that means, where it is not obvious. */
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

/** All steps in order, with the question that each answers. */
export const STEP_TITLES: Readonly<Record<StepId, string>> = {
  configuration: 'Is the configuration complete?',
  dns: 'Does the name of the SMTP host resolve?',
  connect: 'Does the SMTP host accept connections?',
  banner: 'Is the SMTP host Exchange?',
  starttls: 'Does it offer STARTTLS, with TLS 1.2 or newer?',
  certificate: 'Is its certificate trusted?',
  size: 'Does it accept messages of the configured size?',
  authority: "Does Entra's token endpoint answer?",
  token: 'Does Entra issue a token?',
  consent: 'Is the token for Exchange, with SMTP.SendAsApp?',
  login: 'Does Exchange accept the login?',
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

/** A step that failed; the explanation and the fix come from a table or from the step. */
export function failed(id: StepId, seen: string, fault: Partial<Pick<Fault, 'explanation' | 'fix'>> = {}): Step {
  return stepWithFault('failed', id, seen, fault);
}

export function warning(id: StepId, seen: string, fault: Partial<Pick<Fault, 'explanation' | 'fix'>>): Step {
  return stepWithFault('warning', id, seen, fault);
}

/** Replaces `<placeholders>` by what is known of this mailbox, so that a command can be pasted. */
export function fillIn(step: Step, known: Readonly<Record<string, string | undefined>>): Step {
  if (step.fix === undefined) return step;
  return { ...step, fix: step.fix.replace(/<([^<>]+)>/g, (placeholder, name: string) => known[name] ?? placeholder) };
}

function stepWithFault(
  status: StepStatus,
  id: StepId,
  seen: string,
  { explanation, fix }: Partial<Pick<Fault, 'explanation' | 'fix'>>,
): Step {
  return { id, status, seen, ...(explanation && { meaning: explanation }), ...(fix && { fix }) };
}
