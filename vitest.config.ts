import { defineConfig } from 'vitest/config';

/** Told through NATS alone, so that they hold wherever the functions run. */
const aboutFunctions = [
  'functions',
  'escalation',
  'circuit-breaker',
  'task-assignment',
  'dlq-processor',
  'reconciler',
  'bad-input',
  'python-fleet',
  'supervisor',
  'recovery-coordinator',
  'pattern-detector',
  'metrics-collector',
  'orchestrator-monitor',
  'alerts',
  'workflow',
  'saga',
  'commands',
  'election',
  'consensus',
  'barrier',
  'resource-manager',
];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    // Servers are killed and frozen here on two busy cores: what fails is tried once more.
    retry: 1,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'in-process',
          include: ['test/**/*.test.ts'],
          // Real servers on two cores: more files at once only wait for each other.
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'lambda',
          include: aboutFunctions.map((name) => `test/e2e/${name}.test.ts`),
          env: { MISTERSMITH_TARGET: 'lambda' },
          globalSetup: 'test/support/deployed-service.ts',
          // They share a deployment.
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
