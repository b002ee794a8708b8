import { describe, expect, test } from 'vitest';
import { openTestApp } from '../../helpers/app.ts';

describe('health', () => {
  test('is live without Redis', async () => {
    const { app } = openTestApp({ ready: () => Promise.reject(new Error('never asked')) });
    const response = await app.inject('/health/live');
    expect([response.statusCode, response.json()]).toEqual([200, { status: 'ok' }]);
  });

  test('is ready when Redis answers', async () => {
    const { app } = openTestApp();
    const response = await app.inject('/health/ready');
    expect([response.statusCode, response.json()]).toEqual([200, { status: 'ok', checks: { redis: 'ok' } }]);
  });

  test('is 503 when Redis is away; the reason goes into the log only, because the route is open', async () => {
    const redis = "Redis can't be reached: connect ECONNREFUSED 10.1.2.3:6379";
    const { app, log } = openTestApp({ ready: async () => ({ ok: false, checks: { redis } }) });
    const response = await app.inject('/health/ready');
    expect(response.statusCode).toBe(503);
    expect(response.json().type).toBe('urn:relay365:problem:queue-unavailable');
    expect(response.body).not.toContain('10.1.2.3');
    expect(log.join('')).toContain('10.1.2.3');
  });
});
