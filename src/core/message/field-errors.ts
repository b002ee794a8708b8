/** What is wrong with a request, field by field: collected, not thrown, so that the sender learns all of it at once. */

export interface FieldError {
  /** The field's place in the request: `to`, `attachments[0].content`. */
  readonly field: string;
  /** What is wrong and what would be right, for a person. */
  readonly message: string;
}

/** More than this helps nobody and costs memory. */
const FIELD_ERRORS_MAX = 100;

export class FieldErrors {
  readonly all: FieldError[] = [];

  /** Whoever goes through a long list need not go on. */
  get isFull(): boolean {
    return this.all.length >= FIELD_ERRORS_MAX;
  }

  add(field: string, message: string): void {
    if (!this.isFull) this.all.push({ field, message });
  }
}
