/** What is wrong with a request, field by field: collected, not thrown, so that its sender sees all of it at once. */

export interface FieldError {
  /** The field's path in the request: `to`, `attachments[0].content`. */
  readonly field: string;
  /** What is wrong and how to fix it, for a person. */
  readonly message: string;
}

/** More errors do not help, and cost memory. */
const FIELD_ERRORS_MAX = 100;

export class FieldErrors {
  readonly all: FieldError[] = [];

  /** A long list need not be checked any further. */
  get isFull(): boolean {
    return this.all.length >= FIELD_ERRORS_MAX;
  }

  add(field: string, message: string): void {
    if (!this.isFull) this.all.push({ field, message });
  }
}
