/** A browser on a page of somebody else's, or on the documentation: it is given nothing to work with. */
import { expect, test } from 'vitest';
import { apiKey, openTestApp } from '../helpers/app.ts';

const KEYS = [apiKey('shop', 'shop-secret')];
const SEND = { to: 'a@example.com', text: 'x' };

test.each(['/docs', '/docs/static/index.html'])(
  '%s runs no script but its own, and stands in no frame',
  async (url) => {
    const { app } = openTestApp();
    const { headers, body } = await app.inject(url);
    const policy = Object.fromEntries(
      String(headers['content-security-policy'])
        .split('; ')
        .map((directive) => [directive.split(' ', 1)[0], directive.slice(directive.indexOf(' ') + 1)]),
    );
    expect(policy).toMatchObject({
      'default-src': "'none'",
      'script-src': "'self'",
      'connect-src': "'self'",
      'base-uri': "'none'",
      'form-action': "'none'",
      'frame-ancestors': "'none'",
    });
    expect(body).not.toMatch(/<script(?![^>]*\bsrc=)[^>]*>/);
    expect(body).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  },
);

test.each([
  ['OPTIONS', '/send'],
  ['POST', '/send'],
  ['GET', '/messages'],
  ['GET', '/metrics'],
  ['GET', '/openapi.json'],
  ['GET', '/health/ready'],
] as const)('%s %s lets no page of another origin read the answer', async (method, url) => {
  const { app } = openTestApp({ keys: KEYS });
  const { headers } = await app.inject({
    method,
    url,
    headers: {
      origin: 'https://evil.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
      authorization: 'Bearer shop-secret',
    },
    ...(method === 'POST' && { payload: SEND }),
  });
  expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
  expect(headers['x-content-type-options']).toBe('nosniff');
  expect(headers['cache-control']).toBe('no-store');
});
