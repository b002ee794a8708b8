/** docs/dependencies.md says of each package why it is there: of all of them, and of no other. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../helpers/process.ts';

const { dependencies, devDependencies } = JSON.parse(read('package.json'));
const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> };

interface LockedPackage {
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** The packages of the table under this heading. */
function listed(heading: string): string[] {
  const [, rest = ''] = read('docs/dependencies.md').split(`\n## ${heading}\n`);
  const [section = ''] = rest.split('\n## ');
  return [...section.matchAll(/^\| `([^`]+)` +\| \S/gm)].map(([, name]) => name ?? '');
}

describe('docs/dependencies.md', () => {
  test('gives each package of the image its reason, and no other', () => {
    expect(listed('In the image')).toEqual(Object.keys(dependencies).sort());
  });

  test('gives each package for development its reason, and no other', () => {
    expect(listed('For development only')).toEqual(Object.keys(devDependencies).sort());
  });
});

describe('the lockfile', () => {
  const installed = Object.entries(packages).filter(([path]) => path !== '');

  test('has the hash of each package of the image but for those of other systems', () => {
    const without = installed.filter(([, { dev, optional, integrity }]) => !dev && !optional && !integrity);
    expect(without.map(([path]) => path)).toEqual([]);
  });

  test('has no package that runs a script at its installation, but for those that package.json allows', () => {
    const { allowScripts } = JSON.parse(read('package.json'));
    const scripts = installed.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path);
    expect(scripts.map((path) => path.replace(/^.*node_modules\//, '')).sort()).toEqual(
      Object.keys(allowScripts).sort(),
    );
  });
});
