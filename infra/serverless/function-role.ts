/**
 * The role of a function: its own log group, the entities of the kinds that it owns, to read those of the kinds that it has to
 * know, and to publish to the topic in its environment. docs/table.md says which calls these actions are.
 *
 * `dynamodb:LeadingKeys` bounds every action on the table. It cannot bound a query of an index, whose keys are others: there
 * a function learns the keys of any entity, but an index holds nothing else.
 */
import { LOOKUP_INDEX, SWEEP_INDEX } from '#shared/table/definition.ts';
import type { TableAccess } from './table-access.ts';

type Value = string | { [intrinsic: string]: unknown };
type Statement = { Sid: string; Effect: 'Allow'; Action: string[]; Resource: Value[]; Condition?: unknown };

const READ = ['dynamodb:BatchGetItem'];
/** With its children, which are read by a query and written in batches. PartiQL is how states are written; the rest is for large ones. */
const WRITE = ['dynamodb:BatchWriteItem', 'dynamodb:PartiQLInsert', 'dynamodb:PartiQLUpdate', 'dynamodb:PutItem', 'dynamodb:Query'];

const ofKinds = (kinds: readonly string[]) => ({
  'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': kinds.map((kind) => `${kind}#*`) },
});

const tableStatements = (tableArn: string, { owns, reads, children, indexes }: TableAccess): Statement[] => {
  const table: Value[] = [{ 'Fn::Sub': tableArn }];
  const indexArns = { lookup: LOOKUP_INDEX, sweep: SWEEP_INDEX };
  return [
    { Sid: 'Read', Effect: 'Allow', Action: READ, Resource: table, Condition: ofKinds([...owns, ...reads]) },
    ...(owns.length > 0 ? [{ Sid: 'Write', Effect: 'Allow' as const, Action: WRITE, Resource: table, Condition: ofKinds(owns) }] : []),
    ...(children.length > 0
      ? [{ Sid: 'ReadChildren', Effect: 'Allow' as const, Action: ['dynamodb:Query'], Resource: table, Condition: ofKinds(children) }]
      : []),
    ...(indexes.length > 0
      ? [
          {
            Sid: 'Find',
            Effect: 'Allow' as const,
            Action: ['dynamodb:Query'],
            Resource: indexes.map((index) => ({ 'Fn::Sub': `${tableArn}/index/${indexArns[index]}` })),
          },
        ]
      : []),
  ];
};

export type RoleOf = {
  tableName: string;
  /** Undefined: nothing of the table. */
  access: TableAccess | undefined;
  /** Logical id of the log group. */
  logGroup: string;
  /** ARN of the SNS topic that it publishes to. */
  topic?: string | undefined;
};

/** A CloudFormation resource. */
export const functionRole = ({ tableName, access, logGroup, topic }: RoleOf) => {
  const tableArn = `arn:\${AWS::Partition}:dynamodb:\${AWS::Region}:\${AWS::AccountId}:table/${tableName}`;
  const log: Statement = {
    Sid: 'Log',
    Effect: 'Allow',
    Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    // Ends in `:*`, the streams of the group.
    Resource: [{ 'Fn::GetAtt': [logGroup, 'Arn'] }],
  };
  const notify: Statement[] = topic ? [{ Sid: 'Notify', Effect: 'Allow', Action: ['sns:Publish'], Resource: [topic] }] : [];
  return {
    Type: 'AWS::IAM::Role',
    Properties: {
      AssumeRolePolicyDocument: {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { Service: ['lambda.amazonaws.com'] }, Action: ['sts:AssumeRole'] }],
      },
      Policies: [
        {
          PolicyName: 'function',
          PolicyDocument: { Version: '2012-10-17', Statement: [log, ...(access ? tableStatements(tableArn, access) : []), ...notify] },
        },
      ],
    },
  };
};
