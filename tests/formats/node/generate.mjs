// Writes otpauth URIs with otplib. Its default secret once had 10 bytes, and many applications still have such secrets.
import { writeFileSync } from 'node:fs';
import { generateURI } from 'otplib';

const uri = (label, secret, more = {}) => generateURI({ strategy: 'totp', issuer: 'Foo & Corp', label, secret, ...more });
writeFileSync(
  `${process.argv[2]}/otpauth-otplib.txt`,
  [
    uri('alice@example.com', 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'),
    uri('jürgen b', 'JBSWY3DPEHPK3PXP'),
    uri('carol', 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', { algorithm: 'sha512' }),
  ].join('\n') + '\n',
);
