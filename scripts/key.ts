/** `npm run key -- NAME`: makes an API key, prints it once, and prints what relay365.yaml keeps of it. */
import { createHash, randomBytes } from 'node:crypto';

const [name] = process.argv.slice(2);
if (name === undefined || !/^[\w.-]{1,64}$/.test(name)) {
  process.stderr.write('Usage: npm run key -- NAME   (letters, digits, ".", "_" and "-")\n');
  process.exit(1);
}
// 256 bits; the prefix lets secret scanners know it.
const key = `relay365_${randomBytes(32).toString('base64url')}`;
const hash = createHash('sha256').update(key).digest('hex');
process.stdout.write(`The key, which is kept nowhere: give it to the client now.

  ${key}

For relay365.yaml, under apiKeys (then send SIGHUP to the processes):

  - name: ${name}
    hash: sha256:${hash}
    scopes: [send, read]
`);
