/** How much of mails is in memory at a time. */
import { describe, expect, test } from 'vitest';
import { LIMITS, receivingBytesFor } from '../../src/smtp-in/limits.ts';

const MEGABYTE = 1024 ** 2;

describe('what is received at a time', () => {
  test.each([
    [256, 35, 35],
    [512, 35, 64],
    [1_024, 35, 128],
    [1_024, 150, 150],
    [24_000, 35, 256],
  ])('in %i MB of memory, where a mail may have %i MB, is %i MB', (memory, size, expected) => {
    const bytes = receivingBytesFor(memory * MEGABYTE, LIMITS.receivingBytes, size * MEGABYTE);
    expect(bytes).toBe(expected * MEGABYTE);
  });
});
