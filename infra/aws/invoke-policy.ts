/** What the bridge may do at AWS: invoke the functions of its manifest. */
import type { Manifest } from '../bridge/manifest/manifest.ts';
import type { Intrinsic, Resource } from './template.ts';

const functionArn = (target: string): string | Intrinsic =>
  target.startsWith('arn:') ? target : { 'Fn::Sub': `arn:\${AWS::Partition}:lambda:\${AWS::Region}:\${AWS::AccountId}:function:${target}` };

/** `deployment` is `<service>-<stage>`. */
export const invokePolicy = (manifest: Manifest, deployment: string): Resource => ({
  Type: 'AWS::IAM::RolePolicy',
  Properties: {
    RoleName: { Ref: 'BridgeTaskRole' },
    PolicyName: 'invoke-the-functions',
    PolicyDocument: {
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: 'lambda:InvokeFunction',
          Resource: manifest.functions.map(({ name, target }) => functionArn(target ?? `${deployment}-${name}`)),
        },
      ],
    },
  },
});
