/** Certificates for a test, made by openssl: an authority, a server at localhost and a client. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

export type Certificates = Record<'ca' | 'serverCert' | 'serverKey' | 'clientCert' | 'clientKey', string>;

/** Paths of PEM files in `folder`. Rejects where there is no openssl. */
export const makeCertificates = async (folder: string): Promise<Certificates> => {
  const at = (name: string) => join(folder, name);
  const make = (name: string, ...options: string[]) => {
    const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    return promisify(execFile)('openssl', ['req', '-x509', ...key, ...files, '-subj', `/CN=${name}`, '-days', '2', ...options]);
  };
  const issued = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-addext', 'basicConstraints=critical,CA:FALSE'];
  await make('ca');
  await make('server', ...issued, '-addext', 'subjectAltName=DNS:localhost');
  await make('client', ...issued, '-addext', 'extendedKeyUsage=clientAuth');
  return {
    ca: at('ca.pem'),
    serverCert: at('server.pem'),
    serverKey: at('server.key'),
    clientCert: at('client.pem'),
    clientKey: at('client.key'),
  };
};
